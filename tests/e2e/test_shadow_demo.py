"""The demo with users in shadow: a service that is wrong on purpose is found, at the right path; a right one is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.preloaded import run_preloaded
from tests.e2e.reference_system import Reference, reference_system
from tests.e2e.waiting import wait_for

pytestmark = pytest.mark.xdist_group("reference system")

REQUESTS = 50


@pytest.fixture(scope="module", params=["", "rounding", "dropped-field"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Reference]]:
    """The demo with users in shadow, and the fault that its service has."""
    folder = tmp_path_factory.mktemp("demo")
    with reference_system(folder, USERS_STAGE="shadow", USERS_BUG=request.param) as reference:
        yield request.param, reference


def report(system: Reference) -> dict[str, Any]:
    """What `strangler shadow report users --json` says."""
    environment = {"GATEWAY_STORE": f"sqlite:///{system.folder}/gateway.sqlite3"}
    done = run_preloaded("shadow", "report", "users", "--json", environment=environment)
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def test_a_wrong_service_is_found_within_a_hundred_requests(system: tuple[str, Reference]) -> None:
    fault, running = system
    with httpx.Client(base_url=running.gateway, trust_env=False) as client:
        for name in ("alice", "admin"):
            headers = {"Authorization": f"Bearer {running.token(name)}"}
            for _ in range(REQUESTS):
                assert client.get("/api/users/me", headers=headers).json()["name"] == name
    wait_for(lambda: report(running).get("compared") == 2 * REQUESTS, "all pairs to be judged")
    found = report(running)
    assert found["not_compared"] == {}
    paths = {(one["path"], one["kind"], one["count"]) for one in found["signatures"]}
    wanted = {
        "": set(),
        "rounding": {("$.created_at", "value", 2 * REQUESTS)},
        "dropped-field": {("$.email", "missing", 2 * REQUESTS)},
    }
    assert paths == wanted[fault]
    assert found["mismatched"] == (2 * REQUESTS if fault else 0)
    assert found["unrequested"] == ["users/one"]
    # Two callers who ask for one thing each, however often, are two pairs of evidence.
    assert found["proof"]["compared"] == 2
    assert found["repeated"] == 2 * REQUESTS - 2
