"""The providers in docs/tokens.md accept each issuer's real tokens, with its key set."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from strangler.auth.identity import Identity
from strangler.auth.keys import KeySet, parse_key_set
from strangler.auth.verify import TokenRefused, Verifier
from strangler.config.load import load

PAGE = Path(__file__).parents[2] / "docs" / "tokens.md"
SECRET = "django-insecure-0123456789abcdef0123456789abcdef"
NOW = int(time.time())
TIMES = {"iat": NOW - 60, "exp": NOW + 3600}
CLIENT = "4q2rexample7abc"
PERSON = "b6e3a1f0-5d0c-4f6b-9a51-0f6f3a1c2d4e"

_ROW = re.compile(r"^\| ([^|]+) \| `(\{.*\})` \|", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """A token in the form of an issuer, and the identity it stands for."""

    claims: dict[str, Any]
    subject: str
    scopes: set[str]
    header: dict[str, Any]
    key: dict[str, Any]
    others: tuple[dict[str, Any], ...] = ()
    refused: tuple[dict[str, Any], ...] = ()


CASES = {
    "Keycloak": Case(
        {
            **TIMES,
            "auth_time": NOW - 90,
            "jti": "onrtac:5b8f6c51-0f0e-4bd3-9d3b-b2e1a6d7e1aa",
            "iss": "https://id.shop.example/realms/shop",
            "aud": ["shop-api", "account"],
            "sub": PERSON,
            "typ": "Bearer",
            "azp": "web",
            "sid": "0d2c9d5e-8a55-4d2a-a8b3-1a9cf2a52f5f",
            "acr": "1",
            "allowed-origins": ["https://shop.example"],
            "realm_access": {"roles": ["offline_access", "default-roles-shop", "Head of Sales"]},
            "resource_access": {"shop-api": {"roles": ["orders-admin"]}, "account": {"roles": ["view-profile"]}},
            "scope": "openid email profile",
            "email_verified": True,
            "preferred_username": "jürgen",
        },
        PERSON,
        {"openid", "email", "profile", "offline_access", "default-roles-shop", "orders-admin"},
        {"typ": "JWT", "kid": "Wr6zT0Xg1w7d"},
        {"kid": "Wr6zT0Xg1w7d", "use": "sig", "alg": "RS256", "x5c": ["MIICmzCCAYM="], "x5t": "a", "x5t#S256": "b"},
        ({"kid": "pLk2qenc", "use": "enc", "alg": "RSA-OAEP", "x5c": ["MIICmzCCAYM="]},),
        ({"typ": "ID"}, {"typ": "Refresh"}, {"aud": "account"}),
    ),
    "Auth0": Case(
        {
            **TIMES,
            "iss": "https://shop.eu.auth0.com/",
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": ["https://api.shop.example", "https://shop.eu.auth0.com/userinfo"],
            "scope": "openid profile",
            "azp": "my_client_id",
            "permissions": ["read:orders", "write:orders"],
        },
        "auth0|5f7c8ec7c33c6c004bbafe82",
        {"openid", "profile", "read:orders", "write:orders"},
        {"typ": "JWT", "kid": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"},
        {
            "alg": "RS256",
            "use": "sig",
            "kid": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg",
            "x5c": ["MIIDBzCCAe+="],
            "x5t": "NjVBRjY5",
        },
        ({"alg": "RS256", "use": "sig", "kid": "next"},),
        ({"iss": "https://shop.eu.auth0.com"}, {"aud": "https://shop.eu.auth0.com/userinfo"}),
    ),
    "Amazon Cognito": Case(
        {
            **TIMES,
            "sub": PERSON,
            "cognito:groups": ["admins"],
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123",
            "version": 2,
            "client_id": CLIENT,
            "origin_jti": "0f3c5b8a",
            "event_id": "7a1f",
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin shop/orders.read",
            "auth_time": NOW - 60,
            "jti": "9d2b",
            "username": "user-17",
        },
        PERSON,
        {"admins", "aws.cognito.signin.user.admin", "shop/orders.read"},
        {"typ": None, "kid": "1234example="},
        {"alg": "RS256", "kid": "1234example=", "use": "sig"},
        ({"alg": "RS256", "kid": "5678example=", "use": "sig"},),
        ({"token_use": "id", "aud": CLIENT}, {"client_id": "other"}, {"client_id": None, "aud": CLIENT}),
    ),
    "Microsoft Entra ID": Case(
        {
            **TIMES,
            "aud": "66666666-7777-8888-9999-000000000000",
            "iss": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            "nbf": NOW - 60,
            "aio": "AXQAi/8TAAAA",
            "azp": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "azpacr": "1",
            "name": "Jürgen Müller",
            "oid": PERSON,
            "preferred_username": "juergen@shop.example",
            "rh": "0.AXoA",
            "roles": ["Orders.Admin"],
            "scp": "access_as_user Orders.Read",
            "sub": "xYz-pairwise-subject",
            "tid": "11111111-2222-3333-4444-555555555555",
            "uti": "k1",
            "ver": "2.0",
        },
        PERSON,
        {"access_as_user", "Orders.Read", "Orders.Admin"},
        {"typ": "JWT", "kid": "CNv0OI3RwqlHFEVnaoMAshCH2XE", "x5t": "CNv0OI3RwqlHFEVnaoMAshCH2XE"},
        {"use": "sig", "kid": "CNv0OI3RwqlHFEVnaoMAshCH2XE", "x5t": "CNv0OI3RwqlHFEVnaoMAshCH2XE", "x5c": ["MIIC/A=="]},
        ({"use": "sig", "kid": "T1St-dLTvyWRgxB_676u8krXS-I", "x5c": ["MIIC/A=="], "issuer": "https://login.example"},),
        (
            {"iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"},
            {"aud": "api://shop"},
            {"oid": None},
        ),
    ),
    "Okta": Case(
        {
            **TIMES,
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "iss": "https://shop.okta.com/oauth2/default",
            "aud": "api://default",
            "cid": "0oabucvyc38HLL1ef0h7",
            "uid": "00u1abvz4pYqdM8ms4x6",
            "scp": ["openid", "orders:read"],
            "auth_time": NOW - 60,
            "sub": "juergen@shop.example",
        },
        "juergen@shop.example",
        {"openid", "orders:read"},
        {"typ": None, "kid": "45js03w0djwedsw"},
        {"alg": "RS256", "kid": "45js03w0djwedsw", "use": "sig"},
        (),
        ({"aud": "https://shop.okta.com"},),
    ),
    "Google": Case(
        {
            **TIMES,
            "iss": "https://accounts.google.com",
            "azp": "1234567890-abc.apps.googleusercontent.com",
            "aud": "1234567890-abc.apps.googleusercontent.com",
            "sub": "110169484474386276334",
            "hd": "shop.example",
            "email": "juergen@shop.example",
            "email_verified": True,
            "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
            "jti": "9fd3",
        },
        "110169484474386276334",
        set(),
        {"typ": "JWT", "kid": "f05415b13acb9590f70df862765c655f5a7a019e"},
        {"use": "sig", "kid": "f05415b13acb9590f70df862765c655f5a7a019e", "alg": "RS256"},
        ({"use": "sig", "kid": "8a63fe71e53067524cbbc6a3a58463b3864c0787", "alg": "RS256"},),
        ({"aud": "another.apps.googleusercontent.com"},),
    ),
    "SimpleJWT": Case(
        {**TIMES, "token_type": "access", "jti": "2f6a7c4a37dc4a0e9b2c8f5f0c5c1a11", "user_id": 17},
        "17",
        set(),
        {"typ": "JWT"},
        {},
        (),
        ({"token_type": "refresh"}, {"user_id": None}, {"exp": NOW - 60}),
    ),
    "django-oauth-toolkit": Case(
        {
            **TIMES,
            "aud": "sYc0zExampleClientId",
            "at_hash": "8i1WDd1xkKPJ4gC3q9hXAw",
            "sub": "2",
            "iss": "https://shop.example/o",
            "auth_time": NOW - 60,
            "jti": "c5f2a1f4-1b1c-4a7e-9a58-7b2ae4a7f3a1",
        },
        "2",
        set(),
        {"typ": "JWT", "kid": "GeVXYqM3J1rB2rq6Wc0h7Q2JgvZ4kbs3Qb2pGfYb1fM"},
        {"alg": "RS256", "use": "sig", "kid": "GeVXYqM3J1rB2rq6Wc0h7Q2JgvZ4kbs3Qb2pGfYb1fM"},
        (),
        ({"aud": "another client"},),
    ),
    "UAA, SAP XSUAA": Case(
        {
            **TIMES,
            "jti": "2dfbc881248e4ef39c5a95f8f75e97d3",
            "ext_attr": {"enhancer": "XSUAA", "zdn": "shop"},
            "sub": PERSON,
            "scope": ["openid", "shop.orders.read"],
            "client_id": "sb-shop!t17",
            "cid": "sb-shop!t17",
            "azp": "sb-shop!t17",
            "grant_type": "authorization_code",
            "user_id": PERSON,
            "origin": "sap.default",
            "user_name": "juergen@shop.example",
            "rev_sig": "416147db",
            "iss": "https://uaa.shop.example/oauth/token",
            "zid": "uaa",
            "aud": ["shop", "openid", "sb-shop!t17"],
        },
        PERSON,
        {"openid", "shop.orders.read"},
        {"typ": "JWT", "jku": "https://uaa.shop.example/token_keys", "kid": "key-id-1"},
        {"e": "AQAB", "use": "sig", "kid": "key-id-1", "alg": "RS256", "value": "-----BEGIN PUBLIC KEY-----\n"},
        (),
        ({"aud": ["openid"]},),
    ),
    "IdentityServer": Case(
        {
            **TIMES,
            "iss": "https://id.shop.example",
            "nbf": NOW - 60,
            "aud": ["shop-api"],
            "scope": ["openid", "orders.read"],
            "amr": ["pwd"],
            "client_id": "web",
            "sub": "818727",
            "auth_time": NOW - 60,
            "idp": "local",
            "sid": "7A1F",
            "jti": "C2D9",
            "role": "admin",
        },
        "818727",
        {"openid", "orders.read", "admin"},
        {"typ": "at+jwt", "kid": "A1B2C3"},
        {"use": "sig", "kid": "A1B2C3", "alg": "RS256"},
        (),
        ({"aud": "https://id.shop.example/resources"},),
    ),
}
ROWS = dict(_ROW.findall(PAGE.read_text()))


@cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def key_set(case: Case) -> KeySet | None:
    """The key set that the issuer publishes; None if it has a secret instead."""
    if not case.key:
        return None
    entries = []
    for number, members in enumerate((case.key, *case.others)):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(private_key(number).public_key(), as_dict=True)
        entries.append({**{name: public[name] for name in ("kty", "n", "e")}, **members})
    return parse_key_set(json.dumps({"keys": entries}).encode())


def credentials(case: Case, changes: dict[str, Any]) -> bytes:
    claims = {name: value for name, value in {**case.claims, **changes}.items() if value is not None}
    header = {name: value for name, value in case.header.items() if value is not None}
    key, algorithm = (private_key(0), "RS256") if case.key else (SECRET, "HS256")
    return b"Bearer " + jwt.encode(claims, key, algorithm=algorithm, headers=header).encode()


Verify = Callable[[str, dict[str, Any]], Identity]


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """Verifies an issuer's token, with changes to its claims, with the provider of the page."""

    def verify(issuer: str, changes: dict[str, Any]) -> Identity:
        (tmp_path / "gateway.yaml").write_text(
            f"version: 1\nauth: {{providers: {{id: {ROWS[issuer]}}}}}\nupstreams: {{a: {{endpoints: 'http://127.0.0.1:1'}}}}\n"
            "routes: [{name: r, match: {path: /}, upstream: a, auth: {provider: id}}]\n"
        )
        loaded = load(tmp_path / "gateway.yaml", {"SIGNING_KEY": SECRET})
        assert not loaded.warnings
        case = CASES[issuer]
        return Verifier(loaded.snapshot.providers["id"], key_set(case)).verify(credentials(case, changes), NOW)

    return verify


def test_every_issuer_of_the_page_has_a_case() -> None:
    assert set(ROWS) == set(CASES)
    assert len(ROWS) == 10


@pytest.mark.parametrize("issuer", CASES)
def test_provider_accepts_the_issuers_token(verify: Verify, issuer: str) -> None:
    identity = verify(issuer, {})
    assert identity.subject == CASES[issuer].subject
    assert identity.scopes == CASES[issuer].scopes


@pytest.mark.parametrize(
    ("issuer", "changes"), [(issuer, changes) for issuer, case in CASES.items() for changes in case.refused]
)
def test_provider_refuses_tokens_meant_for_others(verify: Verify, issuer: str, changes: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        verify(issuer, changes)


def test_provider_accepts_identityserver_scopes_as_text(verify: Verify) -> None:
    assert verify("IdentityServer", {"scope": "openid orders.read"}).scopes == {"openid", "orders.read", "admin"}
