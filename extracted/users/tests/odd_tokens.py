"""Tokens by name: good ones, and every way in which one can be wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

NOW = int(time.time())

# What differs from a good token of alice. None leaves the claim out, `...` makes it null.
GOOD_CLAIMS: dict[str, dict[str, Any]] = {
    "audiences": {"aud": ["other", "shop"]},
    "exp_fraction": {"exp": NOW + 3000.5},
    "exp_digits": {"exp": str(NOW + 3000)},
    "no_iat": {"iat": None},
    "nbf_past": {"nbf": NOW - 1},
    "more_claims": {"tenant": "acme", "é": ["ü", None, {"x": 1}]},
    "zoe": {"sub": "user-101"},
    "last": {"sub": "user-999999999999999999"},
}
BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 1},
    "never_expires": {"exp": None},
    "exp_text": {"exp": "soon"},
    "exp_list": {"exp": []},
    "exp_null": {"exp": ...},
    "exp_infinite": {"exp": float("inf")},
    "exp_nan": {"exp": float("nan")},
    "exp_true": {"exp": True},
    "not_yet": {"nbf": NOW + 3000},
    "nbf_text": {"nbf": "x"},
    "nbf_list": {"nbf": [1]},
    "nbf_infinite": {"nbf": float("inf")},
    "issued_later": {"iat": NOW + 3000},
    "iat_text": {"iat": "x"},
    "iat_object": {"iat": {}},
    "other_issuer": {"iss": "https://elsewhere.example"},
    "issuer_slash": {"iss": "https://id.shop.example/"},
    "issuer_list": {"iss": ["https://id.shop.example"]},
    "no_issuer": {"iss": None},
    "other_audience": {"aud": "bookshop"},
    "audiences_without": {"aud": ["a", "b"]},
    "audience_numbers": {"aud": [1, "shop"]},
    "audience_object": {"aud": {"shop": 1}},
    "audience_empty": {"aud": []},
    "no_audience": {"aud": None},
    "no_subject": {"sub": None},
    "subject_number": {"sub": 1},
    "subject_bare": {"sub": "1"},
    "subject_zero": {"sub": "user-0"},
    "subject_padded": {"sub": "user-01"},
    "subject_newline": {"sub": "user-1\n"},
    "subject_arabic": {"sub": "user-\u0661"},
    "subject_long": {"sub": "user-1234567890123456789"},
    "subject_surrogate": {"sub": "user-1\ud800"},
    "unknown_user": {"sub": "user-999"},
    "inactive_user": {"sub": "user-14"},
    "inactive_staff": {"sub": "user-102", "scope": "users:read"},
    "jti_number": {"jti": 7},
}
READING_SCOPES: dict[str, Any] = {
    "reader": "users:read",
    "reader_blanks": "  profile   users:read ",
    "reader_twice": "users:read users:read",
}
OTHER_SCOPES: dict[str, Any] = {
    "scope_none": None,
    "scope_null": ...,
    "scope_empty": "",
    "scope_list": ["users:read"],
    "scope_longer": "users:reader",
    "scope_upper": "Users:Read",
    "scope_tab": "users:read\tx",
    "scope_comma": "profile,users:read",
}
BAD_HEADERS: dict[str, dict[str, Any]] = {
    "kid_unknown": {"kid": "another"},
    "kid_empty": {"kid": ""},
    "kid_number": {"kid": 1},
    "kid_null": {"kid": None},
    "critical_unknown": {"crit": ["x-shop"], "x-shop": 1},
    "critical_known": {"crit": ["exp"], "exp": NOW + 60},
    "critical_text": {"crit": "exp"},
    "critical_empty": {"crit": []},
    "detached": {"b64": False},
    "algorithm_none": {"alg": "none"},
    "algorithm_lower": {"alg": "rs256"},
    "algorithm_list": {"alg": ["RS256"]},
    "algorithm_hs": {"alg": "HS256"},
    "algorithm_longer": {"alg": "RS512"},
}
BAD_FORMS = (
    "header_list",
    "header_deep",
    "header_text",
    "payload_list",
    "payload_text",
    "payload_deep",
    "stranger",
    "swapped",
    "unsigned",
    "two_parts",
    "four_parts",
    "cut",
    "blank_inside",
    "not_ascii",
)
# Written loosely, but what was signed is what was issued.
LOOSE_FORMS = ("no_kid", "padded")


def make_tokens(key: rsa.RSAPrivateKey, kid: str, issued: Mapping[str, str]) -> dict[str, str]:
    """All of them, and what the monolith issued to `alice` and `admin`."""
    good = {
        "iss": "https://id.shop.example",
        "sub": "user-1",
        "aud": "shop",
        "iat": NOW - 1,
        "exp": NOW + 3600,
        "scope": "profile orders",
    }
    header = {"typ": "JWT", "alg": "RS256", "kid": kid}

    def with_claims(changes: Mapping[str, Any]) -> str:
        claims = {name: value for name, value in (good | dict(changes)).items() if value is not None}
        return signed(
            key,
            encoded(header),
            encoded({name: None if value is ... else value for name, value in claims.items()}),
        )

    tokens = {name: with_claims(changes) for name, changes in (GOOD_CLAIMS | BAD_CLAIMS).items()}
    tokens |= {name: with_claims({"scope": scope}) for name, scope in (READING_SCOPES | OTHER_SCOPES).items()}
    tokens |= {name: signed(key, encoded(header | changes), encoded(good)) for name, changes in BAD_HEADERS.items()}
    first, second, third = issued["alice"].split(".")
    deep = base64url_encode(b"[" * 4000).decode()
    return tokens | {
        **issued,
        "no_kid": signed(key, encoded({"alg": "RS256"}), encoded(good)),
        "header_list": signed(key, encoded([]), encoded(good)),
        "header_text": signed(key, base64url_encode(b"x").decode(), encoded(good)),
        "header_deep": f"{deep}.{second}.{third}",
        "payload_list": signed(key, encoded(header), encoded([])),
        "payload_text": signed(key, encoded(header), base64url_encode(b"x").decode()),
        "payload_deep": signed(key, encoded(header), deep),
        "stranger": signed(rsa.generate_private_key(65537, 2048), encoded(header), encoded(good)),
        "swapped": f"{first}.{issued['admin'].split('.')[1]}.{third}",
        "unsigned": f"{first}.{second}.",
        "two_parts": f"{first}.{second}",
        "four_parts": f"{first}.{second}.{third}.{third}",
        "cut": issued["alice"][:-5],
        "blank_inside": f"{first} .{second}.{third}",
        "padded": f"{issued['alice']}==",
        "not_ascii": f"{first}.{second}.{third}\xe9",
    }


def encoded(value: object) -> str:
    return base64url_encode(json.dumps(value).encode()).decode()


def signed(key: rsa.RSAPrivateKey, header: str, payload: str) -> str:
    """Not by `jwt.encode`, which refuses to make what a test of refusals needs."""
    text = f"{header}.{payload}"
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(text.encode(), key)
    return f"{text}.{base64url_encode(signature).decode()}"
