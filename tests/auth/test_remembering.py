"""A verdict is remembered, but not longer than it holds (checklist 50)."""

from __future__ import annotations

import tracemalloc

import pytest

from strangler.auth.verify import UnknownKey
from tests.auth.issuing import NOW, Issuer, refusal


def test_a_verified_token_is_not_verified_again(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    credentials = issuer.credentials()
    assert verifier.verify(credentials, NOW) is verifier.verify(credentials, NOW + 1)


def test_a_remembered_token_dies_when_it_expires(issuer: Issuer) -> None:
    verifier = issuer.verifier(leeway=0.0)
    credentials = issuer.credentials(exp=NOW + 60)
    verifier.verify(credentials, NOW)
    assert verifier.verify(credentials, NOW + 59.9).subject == "user-17"
    assert refusal(verifier, credentials, NOW + 60) == "The token has expired."


def test_a_remembered_token_dies_with_its_key(issuer: Issuer) -> None:
    credentials = issuer.credentials()
    issuer.verifier().verify(credentials, NOW)
    with pytest.raises(UnknownKey):
        issuer.verifier(issuer.keys["ed"].public_jwk()).verify(credentials, NOW)


def test_a_remembered_token_dies_when_the_configuration_changes(issuer: Issuer) -> None:
    credentials = issuer.credentials()
    issuer.verifier().verify(credentials, NOW)
    assert refusal(issuer.verifier(audiences=("other",)), credentials) == "The token is for another audience."


def test_a_refusal_is_not_remembered_as_a_verdict(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    credentials = issuer.credentials(nbf=NOW + 100)
    refusal(verifier, credentials)
    assert verifier.verify(credentials, NOW + 100).subject == "user-17"


def test_a_token_that_comes_again_and_again_is_not_forgotten_for_others(issuer: Issuer) -> None:
    verifier = issuer.verifier(remembered=2)
    one, two, *others = (issuer.credentials("ed", sub=f"user-{number}") for number in range(8))
    first, second = verifier.verify(one, NOW), verifier.verify(two, NOW)
    for other in others:
        verifier.verify(other, NOW)
        assert verifier.verify(one, NOW) is first
    assert verifier.verify(two, NOW) is not second


def test_as_many_tokens_as_configured_are_remembered(issuer: Issuer) -> None:
    verifier = issuer.verifier(remembered=3)
    tokens = [issuer.credentials("ed", sub=f"user-{number}") for number in range(3)]
    before = [verifier.verify(token, NOW) for token in tokens]
    for _ in range(3):
        assert [verifier.verify(token, NOW) for token in tokens] == before
        assert all(verifier.verify(token, NOW) is one for token, one in zip(tokens, before, strict=True))


def test_remembering_can_be_turned_off(issuer: Issuer) -> None:
    verifier = issuer.verifier(remembered=0)
    credentials = issuer.credentials("ed")
    assert verifier.verify(credentials, NOW) is not verifier.verify(credentials, NOW)


def test_one_token_behind_any_number_of_spaces_fills_no_memory(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    token = issuer.credentials("ed").removeprefix(b"Bearer ")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for spaces in range(20_000, 20_200):
            verifier.verify(b"Bearer " + b" " * spaces + token, NOW)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000
