"""What of a token becomes identity headers: plain text alone, so that no claim writes a header of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from strangler.auth.identity import ClaimsRefused, identity_of
from tests.auth.issuing import NOW, PROVIDER, Issuer, refusal

CLAIMS = {"sub": "user-17", "scope": "orders:read users:read"}
INJECTED = [
    "x\r\nX-Auth-Subject: root",
    "x\nX-Auth-Scopes: admin",
    "x\rroot",
    "x\x00",
    "x\x0b",
    "x\x1c",
    "x\x7f",
    "x\x85y",
    "x\xa0y",
    "x\u2028y",
    "é",
    "\u017f",
    "\ud800",
]


def test_identity_headers_hold_subject_scopes_and_issuer() -> None:
    identity = identity_of(CLAIMS, PROVIDER, NOW)
    assert identity.header_lines == (
        b"X-Auth-Subject: user-17\r\n"
        b"X-Auth-Scopes: orders:read users:read\r\n"
        b"X-Auth-Issuer: https://id.shop.example\r\n"
    )


@pytest.mark.parametrize("subject", ["auth0|5f7c8ec7c33c6c004bbafe82", "a@b.example", 'x"y\\z', "x,y;z=%20"])
def test_a_subject_of_visible_ascii_passes_as_it_is(subject: str) -> None:
    assert f"X-Auth-Subject: {subject}\r\n".encode() in identity_of({"sub": subject}, PROVIDER, NOW).header_lines


@pytest.mark.parametrize("subject", [*INJECTED, "", " ", "two words", " x", "x ", "x\ty", 5.5, ["x"]])
def test_a_subject_that_is_not_plain_visible_text_is_refused(subject: Any) -> None:
    with pytest.raises(ClaimsRefused, match=r"^The token's subject is not plain visible text\.$"):
        identity_of({**CLAIMS, "sub": subject}, PROVIDER, NOW)


def test_claims_without_a_subject_are_refused() -> None:
    with pytest.raises(ClaimsRefused, match=r"^The token has no claim sub\.$"):
        identity_of({"scope": "a"}, PROVIDER, NOW)


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scope": " a  b "}, {"a", "b"}),
        ({"scope": ""}, set()),
        ({"scope": ["a", "b"]}, {"a", "b"}),
        ({"scope": []}, set()),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scp": ["a", "b"]}, {"a", "b"}),
        ({"scope": "a", "scp": ["b"]}, {"a", "b"}),
        ({"scope": None, "scp": "b"}, {"b"}),
        ({}, set()),
    ],
)
def test_scopes_are_a_text_or_a_list_in_scope_or_else_in_scp(claims: dict[str, Any], scopes: set[str]) -> None:
    identity = identity_of({"sub": "user-17", **claims}, PROVIDER, NOW)
    assert identity.scopes == scopes
    line = identity.header_lines.split(b"\r\n")[1].decode()
    assert set(line.removeprefix("X-Auth-Scopes: ").split()) == scopes


@pytest.mark.parametrize(
    "scope",
    [
        *INJECTED,
        *([text] for text in INJECTED if not text.isprintable()),
        *("a\tb", [5], [None], [["a"]], 5, True, {"a": 1}),
    ],
)
def test_scopes_that_are_not_plain_names_are_refused(scope: Any) -> None:
    with pytest.raises(ClaimsRefused, match=r"^The token's scopes are not a list of plain names\.$"):
        identity_of({**CLAIMS, "scope": scope}, PROVIDER, NOW)


@pytest.mark.parametrize("issuer", INJECTED)
def test_an_issuer_that_is_not_plain_visible_text_is_refused(issuer: str) -> None:
    with pytest.raises(ClaimsRefused, match=r"^The token's issuer is not plain visible text\.$"):
        identity_of(CLAIMS, replace(PROVIDER, issuer=issuer), NOW)


def test_a_token_with_such_claims_is_refused_as_invalid(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    assert refusal(verifier, issuer.credentials(sub="x\r\nX-Auth-Scopes: admin")) == (
        "The token's subject is not plain visible text."
    )
    assert refusal(verifier, issuer.credentials(scope="x\r\nX-Auth-Subject: root")) == (
        "The token's scopes are not a list of plain names."
    )
