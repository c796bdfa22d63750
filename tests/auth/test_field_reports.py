"""Key sets, headers and claims as issuers really write them (docs/troubleshooting.md, "Seen in the field")."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from strangler.auth.keys import parse_key_set, why_unusable
from strangler.auth.several import verify_with_one_of
from strangler.auth.verify import NoKeys, TokenRefused, UnknownKey, Verifier, is_another_scheme
from strangler.model.auth import Provider
from tests.auth.issuing import NOW, PROVIDER, Issuer, SigningKey, compact, refusal

SECRET = b"0123456789abcdef0123456789abcdef"


def accepted(verifier: Verifier, credentials: bytes) -> bool:
    return verifier.verify(credentials, NOW).subject == "user-17"


# Key sets


def test_one_key_published_twice_is_one_key(issuer: Issuer) -> None:
    entry = issuer.keys["es256"].public_jwk()
    verifier = issuer.verifier(entry, {**entry, "use": "sig", "x5t": "AAAA"})
    assert accepted(verifier, issuer.credentials())


def test_one_key_published_once_for_each_algorithm_verifies_both(issuer: Issuer) -> None:
    entries = [issuer.keys["rsa"].public_jwk(alg=alg) for alg in ("RS256", "PS256")]
    verifier = issuer.verifier(*entries)
    assert accepted(verifier, issuer.credentials("rsa", algorithm="RS256"))
    assert accepted(verifier, issuer.credentials("rsa", algorithm="PS256"))


def test_keys_of_one_kid_are_distinguished_by_algorithm(issuer: Issuer) -> None:
    entries = [issuer.keys[name].public_jwk(kid="1") for name in ("rsa", "es256", "es384", "ed")]
    verifier = issuer.verifier(*entries)
    for name in ("rsa", "es256", "es384", "ed"):
        assert accepted(verifier, issuer.credentials(name, header={"kid": "1"}))


def test_two_rsa_keys_under_one_kid_verify_nothing_and_are_named(issuer: Issuer) -> None:
    other = SigningKey("rsa-1", "RS256", rsa.generate_private_key(65537, 2048))
    keys = issuer.key_set(issuer.keys["rsa"].public_jwk(), other.public_jwk())
    assert keys.keys == {}
    assert keys.skipped == ("2 keys rsa-1: they differ but match the same algorithms",)


def test_members_that_are_null_are_absent(issuer: Issuer) -> None:
    nothing = dict.fromkeys(("use", "key_ops", "alg", "x5c", "x5t", "x5u", "d", "p", "q", "dp", "dq", "qi", "oth"))
    for name in ("rsa", "es256", "ed"):
        entry = {**issuer.keys[name].public_jwk(), **nothing}
        assert accepted(issuer.verifier(entry), issuer.credentials(name))
    without_kid = {**issuer.keys["es256"].public_jwk(), "kid": None}
    token = compact({"alg": "EdDSA"}, issuer.bearing(), issuer.keys["ed"].private.sign)
    assert accepted(issuer.verifier({**issuer.keys["ed"].public_jwk(), "kid": None}, without_kid), token)


def test_a_token_without_kid_is_verified_by_the_only_matching_key(issuer: Issuer) -> None:
    token = compact({"alg": "EdDSA"}, issuer.bearing(), issuer.keys["ed"].private.sign)
    assert accepted(issuer.verifier(), token)
    other = SigningKey("ed-2", "EdDSA", ed25519.Ed25519PrivateKey.generate())
    two = issuer.verifier(issuer.keys["ed"].public_jwk(), other.public_jwk())
    assert refusal(two, token) == "The token does not name its key."
    only_rsa = issuer.verifier(issuer.keys["rsa"].public_jwk())
    assert refusal(only_rsa, token) == "The token's algorithm does not match its key."


@pytest.mark.parametrize("listed", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", None])
@pytest.mark.parametrize("signed", ["EdDSA", "Ed25519"])
def test_ed25519_is_eddsa_in_configuration_key_set_and_token(
    issuer: Issuer, listed: str, published: str | None, signed: str
) -> None:
    entry = {**issuer.keys["ed"].public_jwk(), "alg": published}
    token = compact({"alg": signed, "kid": "ed-1"}, issuer.bearing(), issuer.keys["ed"].private.sign)
    assert accepted(issuer.verifier(entry, algorithms=(listed,)), token)


def test_ed25519_is_not_ed448() -> None:
    private = ed448.Ed448PrivateKey.generate()
    issuer = Issuer({"ed448": SigningKey("goldilocks", "EdDSA", private)})
    for signed, listed, fits in (
        ("Ed448", "EdDSA", True),
        ("EdDSA", "Ed448", True),
        ("EdDSA", "Ed25519", False),
        ("Ed25519", "EdDSA", False),
    ):
        token = compact({"alg": signed, "kid": "goldilocks"}, issuer.bearing(), private.sign)
        verifier = issuer.verifier(algorithms=(listed,))
        if fits:
            assert accepted(verifier, token)
        else:
            assert refusal(verifier, token) == "The token's algorithm does not match its key."


def test_a_set_without_a_usable_key_says_why(issuer: Issuer) -> None:
    sealed = issuer.keys["rsa"].public_jwk(use="enc")
    assert why_unusable(issuer.key_set(sealed), ["RS256"]) == (
        "it has no key that can verify RS256: key rsa-1: it is not for signatures (use)"
    )
    assert why_unusable(issuer.key_set(issuer.keys["es256"].public_jwk()), ["RS256", "EdDSA"]) == (
        "it has no key that can verify RS256, EdDSA: its keys are for ES256"
    )
    assert why_unusable(parse_key_set(b'{"keys": []}'), ["RS256"]) == (
        "it has no key that can verify RS256: it is empty"
    )
    assert why_unusable(issuer.key_set(), ["ES512", "Ed25519"]) is None


# Headers

NOT_USED = {
    "jku": "https://uaa.example/token_keys",
    "x5u": "https://evil.example/chain.pem",
    "x5c": ["MIIB"],
    "x5t": "AAAA",
}


@pytest.mark.parametrize("field", NOT_USED)
def test_references_to_keys_in_a_token_are_ignored(issuer: Issuer, field: str) -> None:
    assert accepted(issuer.verifier(), issuer.credentials(header={field: NOT_USED[field]}))


@pytest.mark.parametrize("kid", ["es-256", "attacker", None])
def test_a_key_that_the_token_brings_verifies_nothing(issuer: Issuer, kid: str | None) -> None:
    own = SigningKey("attacker", "ES256", ec.generate_private_key(ec.SECP256R1()))
    header = {"jwk": own.public_jwk(), "jku": "https://evil.example/jwks.json", "kid": kid}
    token = jwt.encode(
        issuer.bearing(), own.private, algorithm="ES256", headers={k: v for k, v in header.items() if v is not None}
    )
    with pytest.raises((TokenRefused, UnknownKey)):
        issuer.verifier().verify(b"Bearer " + token.encode(), NOW)


@pytest.mark.parametrize("field", ["crit", "b64"])
def test_what_changes_the_meaning_of_a_signature_stays_refused(issuer: Issuer, field: str) -> None:
    header = {"alg": "EdDSA", "kid": "ed-1", field: ["jku"] if field == "crit" else True, "jku": "https://id.example"}
    token = compact(header, issuer.bearing(), issuer.keys["ed"].private.sign)
    assert refusal(issuer.verifier(), token) == "The token's header has a field that is not accepted."


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_signed_text_in_another_encoding_than_utf_8_is_refused(issuer: Issuer, encoding: str) -> None:
    header, claims = {"alg": "EdDSA", "kid": "ed-1"}, issuer.bearing()
    sign = issuer.keys["ed"].private.sign
    for odd in (
        compact(header, json.dumps(claims).encode(encoding), sign),
        compact(json.dumps(header).encode(encoding), claims, sign),
    ):
        assert refusal(issuer.verifier(), odd) == "The token can't be verified."


# Claims


def own(**changes: Any) -> Verifier:
    """A verifier of tokens that an application signs with its own secret."""
    provider = replace(PROVIDER, algorithms=("HS256",), jwks_file=None, secret=SECRET, **changes)
    return Verifier(provider, None)


def signed(claims: dict[str, Any]) -> bytes:
    return b"Bearer " + jwt.encode({"exp": NOW + 600, **claims}, SECRET, algorithm="HS256").encode()


@pytest.mark.parametrize(
    ("claim", "value", "subject"),
    [
        ("user_id", 17, "17"),
        ("user_id", "17", "17"),
        ("sub", 2**63, "9223372036854775808"),
        ("user.id", 5, "5"),
        ("https://shop.example/uid", "a", "a"),
    ],
)
def test_the_subject_is_in_the_claim_that_is_configured(claim: str, value: Any, subject: str) -> None:
    claims = {"user": {"id": value}} if claim == "user.id" else {claim: value}
    identity = own(issuer=None, audiences=None, subject_claim=claim).verify(signed(claims), NOW)
    assert identity.subject == subject
    assert f"X-Auth-Subject: {subject}\r\n".encode() in identity.header_lines


@pytest.mark.parametrize("claims", [{"sub": "user-17"}, {"user_id": None, "sub": "user-17"}])
def test_another_claim_does_not_stand_in_for_the_subject(claims: dict[str, Any]) -> None:
    verifier = own(issuer=None, audiences=None, subject_claim="user_id")
    assert refusal(verifier, signed(claims)) == "The token has no claim user_id."


def test_the_audience_is_in_the_claim_that_is_configured(issuer: Issuer) -> None:
    verifier = issuer.verifier(audience_claim="client_id")
    assert accepted(verifier, issuer.credentials(client_id="shop", aud=None))
    assert refusal(verifier, issuer.credentials(client_id="other")) == "The token is for another audience."
    assert refusal(verifier, issuer.credentials()) == "The token has no claim client_id."


def test_an_own_secret_may_do_without_issuer_and_audience() -> None:
    identity = own(issuer=None, audiences=None).verify(signed({"sub": "user-17"}), NOW)
    assert identity.issuer is None
    assert b"X-Auth-Issuer" not in identity.header_lines
    assert refusal(own(), signed({"sub": "user-17"})) == "The token has no claim iss."
    assert refusal(own(issuer=None), signed({"sub": "user-17"})) == "The token has no claim aud."


@pytest.mark.parametrize(
    ("places", "claims", "scopes"),
    [
        (("scope", "scp"), {"scope": "a b", "scp": None}, {"a", "b"}),
        (("scope", "scp"), {"scope": None, "scp": ["a", "b"]}, {"a", "b"}),
        (("scope", "permissions"), {"scope": "a", "permissions": ["b:c", "d"]}, {"a", "b:c", "d"}),
        (("scp", "roles"), {"scp": "a", "roles": ["Orders.Read"]}, {"a", "Orders.Read"}),
        (("realm_access.roles",), {"realm_access": {"roles": ["admin"]}, "scope": "a"}, {"admin"}),
        (("resource_access.shop.example.roles",), {"resource_access": {"shop.example": {"roles": ["x"]}}}, {"x"}),
        (("cognito:groups",), {"cognito:groups": ["admins"]}, {"admins"}),
        (("https://shop.example/roles",), {"https://shop.example/roles": ["x"]}, {"x"}),
        (("roles",), {"roles": "admin"}, {"admin"}),
        (("roles",), {"roles": ["Shop Admin", "Geschäftsführung", "", "staff"]}, {"staff"}),
    ],
)
def test_scopes_roles_and_permissions_in_every_shape(
    issuer: Issuer, places: tuple[str, ...], claims: dict[str, Any], scopes: set[str]
) -> None:
    token = compact(
        {"alg": "EdDSA", "kid": "ed-1"}, {**issuer.bearing(scope=None), **claims}, issuer.keys["ed"].private.sign
    )
    identity = issuer.verifier(scopes_claim=places).verify(token, NOW)
    assert identity.scopes == scopes
    line = identity.header_lines.split(b"\r\n")[1].decode()
    assert set(line.removeprefix("X-Auth-Scopes: ").split()) == scopes


def test_a_role_with_spaces_grants_none_of_its_words(issuer: Issuer) -> None:
    verifier = issuer.verifier(scopes_claim=("roles",))
    assert verifier.verify(issuer.credentials(roles=["not admin"]), NOW).scopes == frozenset()


def test_every_token_must_have_the_claims_that_the_provider_demands() -> None:
    verifier = own(issuer=None, audiences=None, claims=(("token_type", "access"),))
    assert accepted(verifier, signed({"sub": "user-17", "token_type": "access"}))
    for claims in ({"sub": "user-17", "token_type": "refresh"}, {"sub": "user-17"}):
        assert refusal(verifier, signed(claims)) == (
            "The token's claim token_type does not have the value that this gateway requires."
        )


def test_a_provider_requires_issuer_and_audience_by_default() -> None:
    provider = Provider("own", "", ("",), ("HS256",), secret=SECRET)
    assert refusal(Verifier(provider, None), signed({"sub": "user-17"})) == "The token has no claim iss."


# Other schemes, and several issuers


@pytest.mark.parametrize(
    "credentials", [b"", b"Basic dXNlcg==", b"Token 01ab", b"NEGOTIATE YII", b"DPoP a.b.c", b"Bearers x"]
)
def test_another_scheme_is_known_by_its_name(credentials: bytes) -> None:
    assert is_another_scheme(credentials)


@pytest.mark.parametrize(
    "credentials",
    [b"Bearer", b"bearer x", b"BEARER\tx", b"Bearer,x", b"Bearer=x", b'"Basic" x', b",Bearer x", b"=x", b"\xe9 x"],
)
def test_a_malformed_bearer_token_is_not_another_scheme(credentials: bytes) -> None:
    assert not is_another_scheme(credentials)


NEW = "https://new-id.shop.example"


def test_the_issuer_that_a_token_names_is_the_one_that_verifies_it(issuer: Issuer) -> None:
    verifiers = [issuer.verifier(), issuer.verifier(name="new", issuer=NEW, audiences=("new shop",))]
    old, new = issuer.credentials(), issuer.credentials("ed", iss=NEW, aud="new shop")
    for _ in range(2):
        assert verify_with_one_of(verifiers, old, NOW).provider == "shop"
        identity = verify_with_one_of(verifiers, new, NOW)
        assert (identity.provider, identity.issuer) == ("new", NEW)
    assert verify_with_one_of(verifiers, new, NOW) is verify_with_one_of(verifiers, new, NOW)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"iss": NEW}, "The token is for another audience."),
        ({"iss": "https://third.example"}, "The token is from another issuer."),
        ({"iss": None}, "The token has no claim iss."),
        ({"iss": NEW, "aud": "new shop", "exp": NOW - 60}, "The token has expired."),
    ],
)
def test_a_refused_token_gets_the_reason_of_its_own_issuer(
    issuer: Issuer, changes: dict[str, Any], detail: str
) -> None:
    verifiers = [issuer.verifier(), issuer.verifier(name="new", issuer=NEW, audiences=("new shop",))]
    with pytest.raises(TokenRefused) as caught:
        verify_with_one_of(verifiers, issuer.credentials(**changes), NOW)
    assert caught.value.detail == detail


@pytest.mark.parametrize("credentials", [b"Bearer x", b"Bearer a.b.c", b"Bearer e30.e30.e30", b"Basic a.b.c"])
def test_malformed_tokens_are_refused_with_several_issuers(issuer: Issuer, credentials: bytes) -> None:
    with pytest.raises(TokenRefused):
        verify_with_one_of([issuer.verifier(), issuer.verifier(name="new", issuer=NEW)], credentials, NOW)


def test_an_own_secret_may_stand_beside_an_issuer(issuer: Issuer) -> None:
    verifiers = [issuer.verifier(), own(name="own", issuer=None, audiences=None, subject_claim="user_id")]
    assert verify_with_one_of(verifiers, issuer.credentials(), NOW).provider == "shop"
    assert verify_with_one_of(verifiers, signed({"user_id": 17}), NOW).subject == "17"


def test_unknown_keys_are_requested_before_a_token_is_refused(issuer: Issuer) -> None:
    rotated = issuer.credentials(header={"kid": "newest"})
    with pytest.raises(UnknownKey) as caught:
        verify_with_one_of([issuer.verifier(), own(issuer=None, audiences=None)], rotated, NOW)
    assert caught.value.provider == "shop"
    keyless = Verifier(PROVIDER, None)
    with pytest.raises(NoKeys):
        verify_with_one_of([keyless, own(issuer=None, audiences=None)], rotated, NOW)
    assert verify_with_one_of([keyless, issuer.verifier()], issuer.credentials(), NOW).subject == "user-17"
