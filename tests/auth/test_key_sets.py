"""Which keys of a published set verify anything (checklist 46)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.auth.keys import KeySet, KeySetError, parse_key_set
from tests.auth.issuing import NOW, Issuer, SigningKey


def only_skipped(keys: KeySet) -> str:
    assert not keys.keys
    [skipped] = keys.skipped
    return skipped


@pytest.mark.parametrize("use", ["enc", "SIG", "", 1, ["sig"]])
def test_a_key_for_another_use_is_skipped(issuer: Issuer, use: Any) -> None:
    entry = {**issuer.keys["es256"].public_jwk(), "use": use}
    assert only_skipped(issuer.key_set(entry)) == "key es-256: it is not for signatures (use)"


@pytest.mark.parametrize("operations", [[], ["sign"], ["encrypt", "wrapKey"], "verify", {"verify": 1}, [["verify"]]])
def test_a_key_for_other_operations_is_skipped(issuer: Issuer, operations: Any) -> None:
    entry = issuer.keys["es256"].public_jwk(use=None, key_ops=operations)
    assert only_skipped(issuer.key_set(entry)) == "key es-256: it is not for verifying (key_ops)"


@pytest.mark.parametrize(
    "fields", [{"use": None}, {"key_ops": ["verify"]}, {"use": None, "key_ops": ["sign", "verify"]}, {"alg": "ES256"}]
)
def test_a_key_that_may_verify_is_used(issuer: Issuer, fields: dict[str, Any]) -> None:
    verifier = issuer.verifier(issuer.keys["es256"].public_jwk(**fields))
    assert verifier.verify(issuer.credentials(), NOW).subject == "user-17"


def test_a_symmetric_key_in_a_published_set_is_skipped(issuer: Issuer) -> None:
    entry = {
        "kty": "oct",
        "kid": "shared",
        "use": "sig",
        "alg": "HS256",
        "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
    }
    assert only_skipped(issuer.key_set(entry)) == "key shared: its kty 'oct' is not one of RSA, EC, OKP"


@pytest.mark.parametrize("kty", [None, "rsa", "EC2", 1, ["RSA"], {}])
def test_a_key_of_an_unknown_type_is_skipped(issuer: Issuer, kty: Any) -> None:
    entry = {**issuer.keys["es256"].public_jwk(), "kty": kty}
    assert only_skipped(issuer.key_set(entry)) == f"key es-256: its kty {kty!r} is not one of RSA, EC, OKP"


def test_a_weak_rsa_key_is_skipped(issuer: Issuer) -> None:
    weak = SigningKey("weak", "RS256", rsa.generate_private_key(65537, 1024))
    assert only_skipped(issuer.key_set(weak.public_jwk())) == "key weak: it can't be used: RSA of 1024 bits is too weak"


@pytest.mark.parametrize("exponent", ["AQ", "Ag", "AA", ""])
def test_an_rsa_key_whose_exponent_proves_nothing_is_skipped(issuer: Issuer, exponent: str) -> None:
    """With e = 1 every signature is its own message."""
    assert "it can't be used" in only_skipped(issuer.key_set(issuer.keys["rsa"].public_jwk(e=exponent)))


def test_a_curve_without_an_accepted_algorithm_is_skipped(issuer: Issuer) -> None:
    bitcoin = SigningKey("k", "ES256", ec.generate_private_key(ec.SECP256K1()))
    assert only_skipped(issuer.key_set(bitcoin.public_jwk())) == (
        "key k: it can't be used: the curve secp256k1 has no accepted algorithm"
    )


def test_ed448_is_eddsa_too(issuer: Issuer) -> None:
    goldilocks = SigningKey("ed-448", "EdDSA", ed448.Ed448PrivateKey.generate())
    verifier = issuer.verifier(goldilocks.public_jwk())
    assert verifier.verify(Issuer({"ed448": goldilocks}).credentials("ed448"), NOW).subject == "user-17"


def test_a_point_that_is_not_on_its_curve_is_skipped(issuer: Issuer) -> None:
    entry = issuer.keys["es256"].public_jwk()
    assert "it can't be used" in only_skipped(issuer.key_set({**entry, "y": entry["x"]}))


@pytest.mark.parametrize(("key", "alg"), [("rsa", "HS256"), ("rsa", "ES256"), ("es256", "ES384"), ("ed", "none")])
def test_a_key_whose_algorithm_can_not_be_its_own_is_skipped(issuer: Issuer, key: str, alg: str) -> None:
    entry = issuer.keys[key].public_jwk(alg=alg)
    assert f"alg '{alg}' does not match the key" in only_skipped(issuer.key_set(entry))


def test_of_different_keys_with_one_id_and_algorithm_none_is_used(issuer: Issuer) -> None:
    other = SigningKey("twice", "ES256", ec.generate_private_key(ec.SECP256R1()))
    keys = issuer.key_set(
        issuer.keys["es256"].public_jwk(kid="twice"), other.public_jwk(), issuer.keys["rsa"].public_jwk()
    )
    assert list(keys.keys) == ["rsa-1"]
    assert keys.skipped == ("2 keys twice: they differ but match the same algorithms",)


def test_a_key_for_encryption_may_share_the_id_of_one_for_signatures(issuer: Issuer) -> None:
    signing = issuer.keys["es256"].public_jwk()
    keys = issuer.key_set({**signing, "use": "enc"}, signing)
    assert list(keys.keys) == ["es-256"]


def test_of_several_keys_without_an_id_for_one_algorithm_none_is_used(issuer: Issuer) -> None:
    other = SigningKey("other", "ES256", ec.generate_private_key(ec.SECP256R1()))
    keys = issuer.key_set(issuer.keys["es256"].public_jwk(kid=None), other.public_jwk(kid=None))
    assert not keys.keys
    assert keys.skipped == ("2 keys without a kid differ but match the same algorithms",)


@pytest.mark.parametrize("kid", [1, True, ["es-256"], {"a": 1}, 1.5])
def test_a_key_with_an_id_that_is_not_text_is_skipped(issuer: Issuer, kid: Any) -> None:
    keys = issuer.key_set(issuer.keys["es256"].public_jwk(kid=kid), issuer.keys["ed"].public_jwk())
    assert list(keys.keys) == ["ed-1"]
    assert keys.skipped == ("key 0: its kid is not a string",)


def test_an_entry_that_is_not_a_key_is_skipped(issuer: Issuer) -> None:
    document = {"keys": [None, 5, "key", [], {}, issuer.keys["ed"].public_jwk()]}
    keys = parse_key_set(json.dumps(document).encode())
    assert list(keys.keys) == ["ed-1"]
    assert len(keys.skipped) == 5


def test_a_published_private_key_is_used_as_its_public_key(issuer: Issuer) -> None:
    entry = issuer.keys["rsa"].public_jwk(d="AAAA", p="AA", q="AA")
    assert issuer.verifier(entry).verify(issuer.credentials("rsa"), NOW).subject == "user-17"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'"keys"',
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b'{"keys": ' + b"[" * 100_000,
        b'{"keys": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_document_that_is_not_a_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeySetError):
        parse_key_set(document)


def test_the_digest_differs_for_different_documents(issuer: Issuer) -> None:
    one, two = (issuer.key_set(issuer.keys[name].public_jwk()) for name in ("es256", "ed"))
    again = issuer.key_set(issuer.keys["ed"].public_jwk())
    assert one.digest != two.digest == again.digest


def twice(entries: list[dict[str, Any]]) -> bool:
    """Whether keys have one id, so that they may be one key, or be named together."""
    ids = [entry.get("kid") for entry in entries]
    return any(ids.count(kid) > 1 for kid in ids)


NAMES = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e", "d", "k"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "Ed448", "sig", "verify", "AQAB", "A" * 43, "é"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["rsa", "es256", "ed", ""]), st.dictionaries(NAMES, VALUES)), max_size=3))
def test_any_entry_is_used_or_skipped_with_a_reason(issuer: Issuer, changes: list[tuple[str, dict[str, Any]]]) -> None:
    entries = [{**(issuer.keys[key].public_jwk() if key else {}), **fields} for key, fields in changes]
    keys = parse_key_set(json.dumps({"keys": entries}).encode())
    used_or_named = len(keys.all_keys) + len(keys.skipped)
    assert used_or_named == len(entries) or (entries and 0 < used_or_named < len(entries) and twice(entries))
