"""What a caller gets with and without a token, and what the upstream is told of the caller."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.conftest import NEW_ISSUER, System
from tests.e2e.raw_http import Response, ask
from tests.e2e.waiting import wait_for

LEEWAY = 10.0


def problem(response: Response) -> dict[str, object]:
    """The problem document (RFC 9457) in `response`, checked for what all of them have."""
    assert response.value(b"Content-Type") == b"application/problem+json"
    assert response.value(b"Cache-Control") == b"no-store"
    document: dict[str, object] = json.loads(response.body)
    assert document["status"] == response.status
    assert str(document["request_id"]).encode() == response.value(b"X-Request-Id")
    assert document["title"]
    assert document["detail"]
    return document


def test_a_required_token_admits_and_identifies_the_client(system: System) -> None:
    response = ask(system.gateway.port, "/private/ok", system.issuer.bearer("user-17", scope="a b"))
    assert response.status == 200
    request = system.legacy.last("/private/ok")
    assert request.value(b"X-Auth-Subject") == b"user-17"
    assert request.value(b"X-Auth-Scopes") == b"a b"
    assert request.value(b"X-Auth-Issuer") == b"https://id.shop.example"


def test_the_token_is_not_forwarded_by_default(system: System) -> None:
    ask(system.gateway.port, "/private/kept", system.issuer.bearer())
    assert system.legacy.last("/private/kept").values(b"Authorization") == []


def test_the_token_is_forwarded_where_forward_token_is_set(system: System) -> None:
    bearer = system.issuer.bearer()
    ask(system.gateway.port, "/passing/on", bearer)
    request = system.legacy.last("/passing/on")
    assert request.value(b"Authorization") == bearer.partition(": ")[2].encode()
    assert request.value(b"X-Auth-Subject") == b"user-17"


def test_a_request_without_a_required_token_gets_a_challenge(system: System) -> None:
    response = ask(system.gateway.port, "/private/none")
    assert response.status == 401
    assert response.value(b"WWW-Authenticate") == b"Bearer"
    assert problem(response)["title"] == "Unauthorized"
    assert system.legacy.requests("/private/none") == []


def test_an_invalid_token_is_refused_with_the_reason(system: System) -> None:
    response = ask(system.gateway.port, "/private/wrong", system.issuer.bearer(aud="another"))
    assert response.status == 401
    challenge = response.value(b"WWW-Authenticate")
    assert challenge is not None
    assert challenge.startswith(b'Bearer error="invalid_token", error_description="')
    problem(response)
    assert system.legacy.requests("/private/wrong") == []


def test_a_missing_scope_is_named(system: System) -> None:
    response = ask(system.gateway.port, "/scoped/x", system.issuer.bearer(scope="orders:read"))
    assert response.status == 403
    challenge = response.value(b"WWW-Authenticate")
    assert challenge is not None
    assert b'error="insufficient_scope"' in challenge
    assert b'scope="orders:write"' in challenge
    problem(response)


def test_an_anonymous_request_passes_where_a_token_is_optional(system: System) -> None:
    assert ask(system.gateway.port, "/optional/anonymous").status == 200
    request = system.legacy.last("/optional/anonymous")
    assert not any(name.lower().startswith(b"x-auth-") for name, _ in request.fields)


def test_an_invalid_token_is_refused_even_where_it_is_optional(system: System) -> None:
    assert ask(system.gateway.port, "/optional/wrong", system.issuer.bearer(exp=1)).status == 401
    assert system.legacy.requests("/optional/wrong") == []


@pytest.mark.parametrize(
    "credentials", ["Basic dXNlcjpwYXNz", "Token 0123456789abcdef", "Negotiate YIIC", "Bearerish x"]
)
def test_another_scheme_passes_as_anonymous_where_a_token_is_optional(system: System, credentials: str) -> None:
    for path, upstream in (("/optional/other", system.legacy), ("/catalog/other", None)):
        response = ask(system.gateway.port, path, f"Authorization: {credentials}")
        assert response.status == 200
        if upstream is not None:
            request = upstream.last(path)
            assert request.value(b"Authorization") == credentials.encode()
            assert not any(name.lower().startswith(b"x-auth-") for name, _ in request.fields)
    refused = ask(system.gateway.port, "/private/other", f"Authorization: {credentials}")
    assert (refused.status, refused.value(b"WWW-Authenticate")) == (401, b"Bearer")


@pytest.mark.parametrize(
    "credentials", ["Bearer", "Bearer x", "bearer\ta.b.c", "Bearer,a.b.c", '"Basic" x', "Bearer=a.b.c"]
)
def test_an_ambiguous_authorization_field_is_refused(system: System, credentials: str) -> None:
    assert ask(system.gateway.port, "/optional/bad", f"Authorization: {credentials}").status == 401
    assert system.legacy.requests("/optional/bad") == []


def test_tokens_of_two_issuers_are_accepted_during_a_change(system: System) -> None:
    old = system.issuer.bearer("user-1")
    new = system.issuer.bearer("user-1", iss=NEW_ISSUER, aud="new shop")
    for bearer, issuer, forwarded in (
        (old, b"https://id.shop.example", None),
        (new, NEW_ISSUER.encode(), new),
        (old, b"https://id.shop.example", None),
    ):
        assert ask(system.gateway.port, "/either/two", bearer).status == 200
        request = system.legacy.last("/either/two")
        assert request.value(b"X-Auth-Issuer") == issuer
        assert request.value(b"Authorization") == (forwarded and forwarded.partition(": ")[2].encode())
    for wrong in (
        system.issuer.bearer(iss=NEW_ISSUER),
        system.issuer.bearer(aud="new shop"),
        system.issuer.bearer(iss="https://third.example"),
    ):
        assert ask(system.gateway.port, "/either/wrong", wrong).status == 401


@pytest.mark.parametrize("path", ["/private/two", "/optional/two"])
def test_two_authorization_fields_are_refused_even_if_both_are_valid(system: System, path: str) -> None:
    bearer = system.issuer.bearer()
    response = ask(system.gateway.port, path, bearer, bearer)
    assert response.status == 400
    assert problem(response)["detail"] == "The request has more than one bearer token."
    assert system.legacy.requests(path) == []


def test_an_oversized_token_is_refused(system: System) -> None:
    response = ask(system.gateway.port, "/private/long", system.issuer.bearer(padding="x" * 9000))
    assert response.status == 401
    assert problem(response)["detail"] == "The token is too long."


def test_a_provider_without_keys_refuses_and_never_opens(system: System) -> None:
    response = ask(system.gateway.port, "/keyless/x", system.issuer.bearer())
    assert response.status == 503
    assert response.value(b"Retry-After") is not None
    problem(response)
    assert ask(system.gateway.port, "/keyless/x").status == 401
    assert system.legacy.requests("/keyless/x") == []


SPELLINGS = [
    "X-Auth-Subject",
    "x-auth-subject",
    "X_Auth_Subject",
    "X-Auth_Subject",
    "x.auth.subject",
    "X-AUTH-SUBJECT",
    "X~Auth~Subject",
    "X--Auth-Subject",
    "X-Auth-Scopes",
    "X_AUTH_SCOPES",
    "X-Auth-Issuer",
    "x_auth.issuer",
]


def folded(name: bytes) -> bytes:
    """A field name as CGI-like servers see it."""
    return bytes(byte if chr(byte).isalnum() else ord("-") for byte in name.lower()).replace(b"--", b"-")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("path", ["/optional/spoofed", "/spoofed", "/catalog/spoofed"])
def test_a_client_cannot_name_itself_in_any_spelling(system: System, path: str, spelling: str) -> None:
    unique = f"{path}/{SPELLINGS.index(spelling)}"
    assert ask(system.gateway.port, unique, f"{spelling}: admin").status == 200
    seen = system.legacy.requests(unique) + system.extracted.requests(unique)
    assert len(seen) == 1
    assert not any(folded(name).startswith(b"x-auth-") for name, _ in seen[0].fields), seen[0].fields


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spoofed_identity_field_is_replaced(system: System, spelling: str) -> None:
    path = f"/private/spoofed/{SPELLINGS.index(spelling)}"
    assert ask(system.gateway.port, path, system.issuer.bearer("user-3"), f"{spelling}: admin").status == 200
    request = system.legacy.last(path)
    names = [folded(name) for name, _ in request.fields]
    assert [names.count(name) for name in (b"x-auth-subject", b"x-auth-scopes", b"x-auth-issuer")] == [1, 1, 1]
    assert request.value(b"X-Auth-Subject") == b"user-3"


@pytest.mark.parametrize(
    "named", ["X-Auth-Subject", "X-Forwarded-For", "X-Request-Id", "traceparent", "Via", "X-Forwarded-Host"]
)
def test_a_client_cannot_have_the_gateways_own_fields_removed(system: System, named: str) -> None:
    path = f"/private/removed/{named}"
    assert ask(system.gateway.port, path, system.issuer.bearer(), f"Connection: close, {named}").status == 200
    assert system.legacy.last(path).value(named.encode())


def test_connection_must_not_name_the_token(system: System) -> None:
    """Else a route with an optional token would take the caller for anonymous."""
    assert (
        ask(system.gateway.port, "/optional/named", system.issuer.bearer(), "Connection: authorization").status == 400
    )
    assert system.legacy.requests("/optional/named") == []


def test_a_field_of_a_route_without_authentication_passes(system: System) -> None:
    """There, Authorization is between the client and the upstream."""
    ask(system.gateway.port, "/basic", "Authorization: Basic dTpw")
    assert system.legacy.last("/basic").value(b"Authorization") == b"Basic dTpw"


def test_two_clients_on_one_connection_are_told_apart(system: System) -> None:
    with system.gateway.client() as client:
        for subject in ("user-1", "user-2", "user-2", None, "user-1"):
            path = f"/optional/told-apart/{subject}"
            fields = [system.issuer.bearer(subject)] if subject else []
            assert client.request(path, *fields).status == 200
            expected = [subject.encode()] if subject else []
            assert system.legacy.last(path).values(b"X-Auth-Subject") == expected


def test_a_token_that_expires_is_refused_on_its_open_connection(system: System) -> None:
    """The same bytes, which the gateway remembers in two places."""
    with system.gateway.client() as client:
        bearer = system.issuer.bearer(exp=time.time() - LEEWAY + 1.5)
        assert client.request("/private/expires", bearer).status == 200
        wait_for(lambda: client.request("/private/expires", bearer).status == 401, "the token to expire")
