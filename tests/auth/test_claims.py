"""Which verified claims are accepted: times, audience, issuer, subject (checklist 48)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.auth.issuing import NOW, Issuer, compact, refusal

NOT_TIMES = ["2000000600", "soon", "", True, False, [], [2000000600], {}, float("nan"), float("inf"), -float("inf")]


def raw(issuer: Issuer, claims: Any) -> bytes:
    """Credentials with claims that no library would encode."""
    return compact({"alg": "EdDSA", "kid": "ed-1"}, claims, issuer.keys["ed"].private.sign)


@pytest.mark.parametrize("name", ["exp", "sub", "iss", "aud"])
def test_a_token_without_what_is_required_is_refused(issuer: Issuer, name: str) -> None:
    detail = f"The token has no claim {name}."
    assert refusal(issuer.verifier(), issuer.credentials(**{name: None})) == detail
    assert refusal(issuer.verifier(), raw(issuer, {**issuer.claims, name: None})) == detail


@pytest.mark.parametrize("exp", [NOW - 10, NOW - 3600, 0, -1, -(10**30)])
def test_an_expired_token_is_refused(issuer: Issuer, exp: float) -> None:
    assert refusal(issuer.verifier(), issuer.credentials(exp=exp)) == "The token has expired."


def test_a_token_is_accepted_until_exp_and_the_leeway_after_it(issuer: Issuer) -> None:
    credentials = issuer.credentials(exp=NOW)
    verifier = issuer.verifier(leeway=10.0)
    assert verifier.verify(credentials, NOW + 9.9).expires_at == NOW + 10
    assert refusal(verifier, credentials, NOW + 10) == "The token has expired."
    assert refusal(issuer.verifier(leeway=0.0), credentials, NOW) == "The token has expired."


def test_a_token_may_expire_between_two_seconds(issuer: Issuer) -> None:
    verifier = issuer.verifier(leeway=0.0)
    credentials = issuer.credentials(exp=NOW + 0.5)
    assert verifier.verify(credentials, NOW + 0.4).subject == "user-17"
    assert refusal(verifier, credentials, NOW + 0.5) == "The token has expired."


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_refused(issuer: Issuer, name: str) -> None:
    verifier = issuer.verifier(leeway=10.0)
    assert refusal(verifier, issuer.credentials(**{name: NOW + 10.1})) == "The token is not valid yet."
    assert refusal(verifier, issuer.credentials(**{name: 10**30})) == "The token is not valid yet."
    assert verifier.verify(issuer.credentials(**{name: NOW + 10}), NOW).subject == "user-17"


def test_a_token_without_nbf_is_valid_at_once(issuer: Issuer) -> None:
    assert issuer.verifier().verify(issuer.credentials(iat=None), NOW).subject == "user-17"


@pytest.mark.parametrize("value", [*NOT_TIMES, int("9" * 400), -int("9" * 400)])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_that_is_not_a_finite_number_is_refused(issuer: Issuer, name: str, value: Any) -> None:
    credentials = raw(issuer, {**issuer.claims, name: value})
    assert refusal(issuer.verifier(), credentials) == f"The token's claim {name} is not a time."


@pytest.mark.parametrize("name", ["nbf", "iat", "scope", "jti"])
def test_a_claim_that_is_null_is_absent(issuer: Issuer, name: str) -> None:
    credentials = raw(issuer, {**issuer.claims, name: None})
    assert issuer.verifier().verify(credentials, NOW).subject == "user-17"


@pytest.mark.parametrize("exp", [10**18, 1e300])
def test_a_token_may_be_valid_for_ever(issuer: Issuer, exp: float) -> None:
    assert issuer.verifier().verify(issuer.credentials(exp=exp), NOW).expires_at >= exp


@pytest.mark.parametrize("audience", ["shop", ["shop"], ["other", "shop"], "orders", ["shop", "orders"]])
def test_one_of_the_audiences_is_enough(issuer: Issuer, audience: Any) -> None:
    verifier = issuer.verifier(audiences=("shop", "orders"))
    assert verifier.verify(issuer.credentials(aud=audience), NOW).subject == "user-17"


@pytest.mark.parametrize(
    "audience",
    [
        *("other", "Shop", "shop ", "sho", "shop,other", "https://shop", 5, True, {"shop": 1}),
        *(["other"], ["s", "h"], ["shop", 5], ["shop", None], [["shop"]]),
    ],
)
def test_another_audience_is_refused(issuer: Issuer, audience: Any) -> None:
    assert refusal(issuer.verifier(), raw(issuer, {**issuer.claims, "aud": audience})) == (
        "The token is for another audience."
    )


@pytest.mark.parametrize("audience", ["", [], {}, 0, False])
def test_an_empty_audience_is_none(issuer: Issuer, audience: Any) -> None:
    assert refusal(issuer.verifier(), raw(issuer, {**issuer.claims, "aud": audience})) == "The token has no claim aud."


@pytest.mark.parametrize(
    "name",
    [
        "https://id.shop.example/",
        "http://id.shop.example",
        "https://ID.shop.example",
        "https://id.shop.example.evil.example",
        " https://id.shop.example",
        "",
        5,
        True,
        ["https://id.shop.example"],
        {"https://id.shop.example": 1},
    ],
)
def test_another_issuer_is_refused(issuer: Issuer, name: Any) -> None:
    credentials = raw(issuer, {**issuer.claims, "iss": name})
    assert refusal(issuer.verifier(), credentials) == "The token is from another issuer."


@pytest.mark.parametrize("subject", [True, 1.5, ["user-17"], {"id": 17}])
def test_a_subject_that_is_neither_text_nor_a_whole_number_is_refused(issuer: Issuer, subject: Any) -> None:
    refusal(issuer.verifier(), raw(issuer, {**issuer.claims, "sub": subject}))


@pytest.mark.parametrize(
    "claims",
    [b"[]", b'"text"', b"5", b"null", b"{", b"\xff\xff", b"{}{}", b"[" * 3000, b'{"exp": ' + b"9" * 5000 + b"}"],
)
def test_claims_that_are_not_a_json_object_are_refused(issuer: Issuer, claims: bytes) -> None:
    assert refusal(issuer.verifier(), raw(issuer, claims)) == "The token can't be verified."
