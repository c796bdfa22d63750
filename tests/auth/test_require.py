"""What routes ask of a verified caller, and how a refusal is put to the client (RFC 6750 section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from strangler.auth.claims import claim_text
from strangler.auth.identity import identity_of
from strangler.auth.require import challenge, missing
from strangler.model.auth import AuthRequirement
from tests.auth.issuing import NOW, PROVIDER

CLAIMS: dict[str, Any] = {
    "sub": "user-17",
    "scope": "orders:read users:read",
    "tenant": "acme",
    "roles": ["admin", "staff"],
    "verified": True,
    "level": 3,
    "ratio": 0.5,
    "address": {"country": "NO", "lines": ["a", "b"], "geo": {"zone": "north"}},
    "address.city": "Oslo",
    "https://shop.example/plan": "gold",
    "empty": [],
    "nothing": None,
    "mixed": ["x", 1, False, None, {"y": 1}, ["z"]],
}


def lacks(**requirement: Any) -> str | None:
    return missing(AuthRequirement(("shop",), **requirement), identity_of(CLAIMS, PROVIDER, NOW))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tenant", ("acme",)),
        ("roles", ("admin", "staff")),
        ("verified", ("true",)),
        ("level", ("3",)),
        ("ratio", ("0.5",)),
        ("address.country", ("NO",)),
        ("address.lines", ("a", "b")),
        ("address.geo.zone", ("north",)),
        ("address.city", ("Oslo",)),
        ("https://shop.example/plan", ("gold",)),
        ("mixed", ("x", "1", "false")),
        ("empty", ()),
        ("nothing", ()),
        ("absent", ()),
        ("address", ()),
        ("address.absent", ()),
        ("tenant.absent", ()),
        ("roles.0", ()),
        (".", ()),
        ("", ()),
    ],
)
def test_the_values_of_a_claim_as_text(name: str, values: tuple[str, ...]) -> None:
    assert claim_text(CLAIMS, name) == values


@pytest.mark.parametrize("scopes", [(), ("orders:read",), ("orders:read", "users:read")])
def test_a_caller_with_all_scopes_lacks_nothing(scopes: tuple[str, ...]) -> None:
    assert lacks(scopes=frozenset(scopes)) is None


@pytest.mark.parametrize("scope", ["orders:write", "orders", "ORDERS:READ", "orders:read users:read"])
def test_one_missing_scope_is_enough_to_be_refused(scope: str) -> None:
    assert lacks(scopes=frozenset({"orders:read", scope})) == f"The token lacks the scope {scope}."


def test_all_missing_scopes_are_named() -> None:
    assert lacks(scopes=frozenset({"b", "a", "orders:read"})) == "The token lacks the scope a b."


@pytest.mark.parametrize(
    "condition",
    [("tenant", "acme"), ("roles", "staff"), ("verified", "true"), ("level", "3"), ("address.geo.zone", "north")],
)
def test_a_claim_with_the_wanted_value_satisfies(condition: tuple[str, str]) -> None:
    assert lacks(claims=(condition,)) is None


@pytest.mark.parametrize(
    "condition",
    [
        ("tenant", "ACME"),
        ("tenant", "acm"),
        ("tenant", ""),
        ("roles", "admin,staff"),
        ("roles", "['admin', 'staff']"),
        ("verified", "True"),
        ("verified", "1"),
        ("level", "3.0"),
        ("absent", "None"),
        ("nothing", "None"),
        ("address", "{'country': 'NO'}"),
    ],
)
def test_a_claim_with_another_value_does_not(condition: tuple[str, str]) -> None:
    assert lacks(claims=(("sub", "user-17"), condition)) == (
        f"The token's claim {condition[0]} does not have the value that this route requires."
    )


def test_the_challenge_without_credentials_is_the_scheme_alone() -> None:
    assert challenge("", "This route requires a bearer token.", ()) == b"Bearer"


def test_the_challenge_to_a_refused_token_has_the_reason() -> None:
    assert challenge("invalid_token", "The token has expired.", ()) == (
        b'Bearer error="invalid_token", error_description="The token has expired."'
    )


def test_a_lack_of_scope_names_the_scopes_that_are_needed() -> None:
    assert challenge("insufficient_scope", "The token lacks the scope b.", ("a", "b")) == (
        b'Bearer error="insufficient_scope", error_description="The token lacks the scope b.", scope="a b"'
    )


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\r\nSet-Cookie: x=1", "a\x00b", "é", "a\\", '"', "\ud800"])
def test_a_description_stays_within_its_quotes(text: str) -> None:
    """RFC 6750 section 3: nothing but %x20-21, %x23-5B and %x5D-7E."""
    value = challenge("invalid_token", text, ()).decode("ascii")
    description = value.removeprefix('Bearer error="invalid_token", error_description="').removesuffix('"')
    assert len(description) == len(text)
    assert all(mark.isascii() and mark.isprintable() and mark not in '"\\' for mark in description)
