"""Which side of a migration answers: sticky, monotonic, the same everywhere, with exceptions by name."""

from __future__ import annotations

import re
from typing import Any

from strangler.routing.split import bucket_of
from tests.e2e.conftest import Start, System
from tests.e2e.raw_http import Client, Response, ask
from tests.e2e.recording_upstream import RecordingUpstream

COOKIE = re.compile(rb"strangler_visitor=([0-9a-f]{32}); Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")


def side(response: Response) -> str:
    """Who answered."""
    assert response.status == 200, response
    return "extracted" if b"extracted" in response.body else "legacy"


def visitor(response: Response) -> str:
    """The id in the cookie that the gateway has set."""
    cookie = response.value(b"Set-Cookie")
    assert cookie is not None
    match = COOKIE.fullmatch(cookie)
    assert match is not None, cookie
    return match[1].decode()


def test_clients_are_split_by_claim_and_stay_on_their_side(system: System) -> None:
    sides = set()
    for number in range(12):
        bearer = system.issuer.bearer(f"user-{number}")
        seen = {side(ask(system.gateway.port, "/catalog/1", bearer)) for _ in range(4)}
        assert seen == {"extracted" if bucket_of("catalog", f"user-{number}") < 5000 else "legacy"}
        sides |= seen
    assert sides == {"legacy", "extracted"}


def test_a_signed_in_caller_gets_no_cookie(system: System) -> None:
    response = ask(system.gateway.port, "/catalog/1", system.issuer.bearer())
    assert response.values(b"Set-Cookie") == []


def test_a_visitor_gets_one_cookie_that_every_worker_honors(system: System) -> None:
    for _ in range(8):
        first = ask(system.gateway.port, "/catalog/1")
        cookie = f"Cookie: theme=dark; strangler_visitor={visitor(first)}"
        # Each over a new connection, so both workers answer.
        later = [ask(system.gateway.port, "/catalog/1", cookie) for _ in range(6)]
        assert {side(response) for response in later} == {side(first)}
        assert [response.values(b"Set-Cookie") for response in later] == [[]] * len(later)
    # Half of the visitors: forty draws on one side come once in 10^12 runs.
    assert {side(ask(system.gateway.port, "/catalog/1")) for _ in range(40)} == {"legacy", "extracted"}


def test_a_cookie_that_the_gateway_did_not_make_is_replaced(system: System) -> None:
    response = ask(system.gateway.port, "/catalog/1", "Cookie: strangler_visitor=chosen-by-me")
    assert visitor(response) != "chosen-by-me"


def test_the_visitor_cookie_is_added_to_those_of_the_upstream(system: System) -> None:
    for upstream in (system.legacy, system.extracted):
        upstream.on("/catalog/cookies")(lambda call: call.answer(b"", b"Set-Cookie: a=1", b"Set-Cookie: b=2"))
    cookies = ask(system.gateway.port, "/catalog/cookies").values(b"Set-Cookie")
    assert cookies[:2] == [b"a=1", b"b=2"]
    assert len(cookies) == 3


def test_always_and_never_outrank_the_percentage(system: System) -> None:
    for number in range(8):
        always = system.issuer.bearer(f"user-{number}", tenant="acme")
        never = system.issuer.bearer(f"user-{number}", tenant="careful")
        both = system.issuer.bearer(f"user-{number}", tenant=["acme", "careful"])
        assert [side(ask(system.gateway.port, "/catalog/1", bearer)) for bearer in (always, never, both)] == [
            "extracted",
            "legacy",
            "legacy",
        ]


def test_a_permitted_caller_picks_a_side_by_header(system: System) -> None:
    bearer = system.issuer.bearer("user-1", scope="migrations", tenant="careful")
    for wanted in ("extracted", "legacy", "extracted"):
        assert side(ask(system.gateway.port, "/catalog/1", bearer, f"X-Side: {wanted}")) == wanted


def test_a_client_without_permission_picks_no_side(system: System) -> None:
    for number in range(6):
        bearer = system.issuer.bearer(f"user-{number}")
        usual = side(ask(system.gateway.port, "/catalog/1", bearer))
        for wanted in ("extracted", "legacy"):
            assert side(ask(system.gateway.port, "/catalog/1", bearer, f"X-Side: {wanted}")) == usual


def test_both_sides_can_answer_on_one_connection(system: System) -> None:
    with system.gateway.client() as client:
        sides = [
            side(client.request("/catalog/1", system.issuer.bearer("u", scope="migrations"), f"X-Side: {wanted}"))
            for wanted in ("extracted", "legacy", "legacy", "extracted")
        ]
    assert sides == ["extracted", "legacy", "legacy", "extracted"]


def canary(legacy: RecordingUpstream, extracted: RecordingUpstream, percent: float) -> dict[str, Any]:
    return {
        "upstreams": {"legacy": {"endpoints": [legacy.url]}, "extracted": {"endpoints": [extracted.url]}},
        "migrations": {
            "catalog": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": percent, "sticky": ["header:X-Tenant"]},
                "routes": [{"match": {"path": "/catalog/**"}}],
            }
        },
    }


def test_raising_the_percentage_moves_no_client_back(start: Start, upstream: RecordingUpstream) -> None:
    tenants = range(60)

    def extracted_callers(client: Client) -> set[int]:
        return {
            tenant for tenant in tenants if side(client.request("/catalog/1", f"X-Tenant: {tenant}")) == "extracted"
        }

    with RecordingUpstream("extracted") as extracted:
        gateway = start(canary(upstream, extracted, 0), workers=2)
        before: set[int] = set()
        # Over one connection throughout: a reload must count on those that are open, too.
        with gateway.client() as client:
            for percent in (0, 10, 35.5, 70, 100):
                if percent:
                    gateway.reload(canary(upstream, extracted, percent))
                now = extracted_callers(client)
                assert before <= now
                assert now == {tenant for tenant in tenants if bucket_of("catalog", str(tenant)) < percent * 100}
                before = now
        assert before == set(tenants)
