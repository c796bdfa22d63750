"""The extracted services answer as the monolith does, by the gateway's own comparison; wrong variants are caught.

The requests are those of the services' own tests, which look at bytes; here
they are replayed as a recording, by the rules and routes of config/gateway.yaml.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from extracted.catalog.tests import asked as of_catalog
from extracted.catalog.tests import both_sides as catalog_sides
from extracted.catalog.tests.sides import MONOLITH, Case, Sides, serving
from extracted.users.tests import asked as of_users
from extracted.users.tests import both_sides as users_sides
from strangler.config.load import load
from strangler.model.methods import COMPARABLE
from strangler.replay.ask import Side
from strangler.replay.operations import only_migration
from strangler.replay.recorded import RecordedRequest, RecordedRequests, fields_of
from strangler.replay.replay import BothSides, replay
from strangler.replay.results import Results
from strangler.testing import Asker, assert_equivalent, load_rules

CONFIG = Path(__file__).parents[2] / "config" / "gateway.yaml"
BUGS = ("dropped-field", "rounding", "lost-filter")
ENOUGH = 200
NEGOTIATED = ("Accept: application/json", "Accept-Language: de", "Accept-Encoding: gzip", "Cookie: theme=dark")
CALLERS = (of_users.ALICE, of_users.BOB, of_users.ADMIN)
USERS = (*range(1, 21), 101, 102, 10**18 - 1)

# Beside what the services' own tests ask.
PRODUCTS = [Case(200, "GET", f"/api/catalog/products/{number}") for number in range(12, 120)]
MYSELF = [
    Case(200, method, f"/api/users/me{query}", (caller, line))
    for method, query, caller, line in itertools.product(("GET", "HEAD"), ("", "?x=1"), CALLERS, NEGOTIATED)
]
OTHERS = [
    Case(200, method, f"/api/users/{number}", (of_users.ADMIN, line))
    for method, number, line in itertools.product(("GET", "HEAD"), USERS, NEGOTIATED)
]
CATALOG = [*of_catalog.ASKED, *PRODUCTS]
ALL_USERS = [*of_users.ASKED, *MYSELF, *OTHERS]

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Sides]]:
    with catalog_sides.both_sides(tmp_path_factory.mktemp("catalog"), *BUGS) as found:
        yield found


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Sides]]:
    with users_sides.both_sides(tmp_path_factory.mktemp("users"), *BUGS) as found:
        yield found


def request_of(case: Case, texts: Mapping[str, str]) -> RecordedRequest:
    """A case as it would have been recorded."""
    lines = (re.sub(r"\{(\w+)\}", lambda name: texts[name[1]], line).partition(":") for line in case.headers)
    fields, _ = fields_of((name, value.strip()) for name, _, value in lines)
    return RecordedRequest(case.method, case.target, fields, case.body, "localhost", str(case))


def recorded(cases: Iterable[Case], texts: Mapping[str, str], migration: str) -> RecordedRequests:
    """What of the cases the migration's routes take, and nothing that a library could not send."""
    sendable = [case for case in cases if not any("Transfer-Encoding" in line for line in case.headers)]
    recording = RecordedRequests([request_of(case, texts) for case in sendable])
    recording.only_methods(COMPARABLE)
    only_migration(recording, load(CONFIG).snapshot, migration, None)
    return recording


def compared(recording: RecordedRequests, sides: Sides, migration: str) -> Results:
    """What a replay found."""
    results = Results(recording, migration)

    async def run() -> None:
        legacy, extracted = (
            Side(f"http://127.0.0.1:{port}", host="localhost") for port in (sides.monolith, sides.service)
        )
        async with legacy, extracted:
            rules = load_rules(CONFIG, migration)
            both = BothSides(legacy, extracted, rules, confirm_after=0)
            await replay(recording.requests, both, results.add, concurrency=4)

    asyncio.run(run())
    return results


def only(recording: RecordedRequests, pattern: str) -> RecordedRequests:
    """The requests for targets that begin as `pattern` says."""
    return RecordedRequests([request for request in recording.requests if re.match(pattern, request.target)])


def assert_equivalent_over_enough(results: Results) -> None:
    """Nothing differs, in enough pairs, and not because both sides refuse."""
    assert not results.signatures
    assert results.equivalent, results.report()
    assert results.total.compared >= ENOUGH
    assert results.total.evidence >= ENOUGH / 2
    assert len({str(request) + str(request.headers) for request in results.recording.requests}) >= ENOUGH


@pytest.mark.parametrize("pattern", [r"/api/catalog/products(?!/)", "/api/catalog/products/"], ids=["list", "one"])
def test_the_catalog_service_equals_the_monolith(catalog: Mapping[str, Sides], pattern: str) -> None:
    sides = catalog[""]
    recording = only(recorded(CATALOG, sides.texts, "catalog"), pattern)
    assert_equivalent_over_enough(compared(recording, sides, "catalog"))


@pytest.mark.parametrize("pattern", ["/api/users/me", "/api/users/(?!me)"], ids=["me", "one"])
def test_the_users_service_equals_the_monolith(users: Mapping[str, Sides], pattern: str) -> None:
    sides = users[""]
    recording = only(recorded(ALL_USERS, sides.texts, "users"), pattern)
    assert_equivalent_over_enough(compared(recording, sides, "users"))


def test_all_routes_of_the_migrations_are_compared() -> None:
    """A route that is added to config/gateway.yaml is to be looked at here, too."""
    owned = {route.name for route in load(CONFIG).snapshot.routes if route.migration is not None}
    assert owned == {"catalog/products", "users/me", "users/one"}


def test_changes_of_a_profile_equal_the_monolith(users: Mapping[str, Sides]) -> None:
    """What changes something is asked in order, each side once, and then both are looked at."""
    sides = users[""]
    legacy, extracted = f"http://127.0.0.1:{sides.monolith}", f"http://127.0.0.1:{sides.service}"
    rules = load_rules(CONFIG, "users")
    look = request_of(Case(200, "GET", of_users.ME, (of_users.BOB,)), sides.texts)
    changes = [
        Case(200, "PATCH", of_users.ME, (of_users.BOB, of_users.JSON), text.encode()) for text in of_users.CHANGES
    ]
    ask = Asker()
    try:
        for case in changes:
            change = request_of(case, sides.texts)
            answer = ask(legacy, change)
            assert answer.status == 200
            assert_equivalent(answer, ask(extracted, change), rules)
            assert_equivalent(ask(legacy, look), ask(extracted, look), rules)
    finally:
        ask.close()


@pytest.mark.parametrize(
    ("bug", "found"),
    [
        ("dropped-field", {"missing $.currency", "missing $.results[*].currency"}),
        ("rounding", {"value $.price", "value $.results[*].price"}),
        ("lost-filter", {"value $.count"}),
    ],
)
def test_a_wrong_catalog_is_caught(catalog: Mapping[str, Sides], bug: str, found: set[str]) -> None:
    sides = catalog[bug]
    recording = recorded([*of_catalog.FOUND[:ENOUGH], *PRODUCTS[:20]], sides.texts, "catalog")
    results = compared(recording, sides, "catalog")
    assert not results.equivalent
    assert found <= results.signatures.keys()


@pytest.mark.parametrize(
    ("bug", "found"),
    [
        ("dropped-field", {"missing $.email"}),
        ("rounding", {"value $.created_at"}),
        ("lost-filter", {"value status 401 to 200"}),
    ],
)
def test_wrong_users_are_caught(users: Mapping[str, Sides], bug: str, found: set[str]) -> None:
    sides = users[bug]
    results = compared(recorded([*of_users.BAD_TOKENS, *MYSELF], sides.texts, "users"), sides, "users")
    assert not results.equivalent
    assert results.signatures.keys() == found


def test_a_service_that_is_wrong_on_purpose_warns(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/catalog.sqlite3", "PORT": "0", "CATALOG_BUG": "rounding"}
    with serving([*catalog_sides.COMMAND, "serve"], tmp_path, environment, tmp_path / "log"):
        said = (tmp_path / "log").read_text()
    assert '"event": "answers are deliberately wrong: CATALOG_BUG is set", "level": "critical"' in said
