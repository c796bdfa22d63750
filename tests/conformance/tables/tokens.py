"""Tokens that must not open anything (RFC 7515, 7518, 7519, 8725), sent to a route that needs one.

The issuer has one ES256 key; what is wrong with each token is its name here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conformance.rows import Refused, Request, Row, get
from tests.conformance.tables.identity import ISSUER
from tests.e2e.tokens import AUDIENCE, Issuer
from tests.e2e.tokens import ISSUER as ISSUER_NAME

_NONE = "RFC 8725 3.1: unsecured tokens are not accepted"
_CONFUSION = "RFC 8725 3.1: the algorithm is the key's and the provider's, never the token's"
_KEYS = "RFC 8725 3.10: keys, or where to find them, are never taken from the token"
_CLAIMS = "RFC 7519 4.1: who issued it, for whom, and when it is valid"
_FORM = "RFC 7515 7.1: three parts of base64url without padding"


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _claims(**changes: Any) -> bytes:
    claims = {"iss": ISSUER_NAME, "aud": AUDIENCE, "sub": "admin", "exp": int(time.time()) + 600, **changes}
    return json.dumps(claims).encode()


def _by_hand(header: dict[str, Any], signature: bytes = b"x" * 64, **changes: Any) -> bytes:
    return b".".join((_encoded(json.dumps(header).encode()), _encoded(_claims(**changes)), _encoded(signature)))


def _hmac(key: bytes) -> bytes:
    signed = _by_hand({"alg": "HS256", "kid": ISSUER.kid}).rpartition(b".")[0]
    return signed + b"." + _encoded(hmac.digest(key, signed, hashlib.sha256))


def _refused(name: str, source: str, token: bytes) -> Request:
    return Request(name, source, get(b"Authorization: Bearer " + token, target=b"/admin/x"), Refused(401, closes=False))


_GOOD = ISSUER.token().encode()
_HEADER, _PAYLOAD, _SIGNATURE = _GOOD.split(b".")
_OTHER = Issuer(kid=ISSUER.kid)
_PEM = ISSUER.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

ROWS: list[Row] = [
    *[
        _refused(f"alg {alg!r}", _NONE, _by_hand({"alg": alg, "kid": ISSUER.kid}, b""))
        for alg in ("none", "None", "NONE", "nOnE", "", "none ", "\0none")
    ],
    _refused("no alg", _NONE, _by_hand({"kid": ISSUER.kid})),
    _refused("an alg that is a list", _NONE, _by_hand({"alg": ["ES256", "none"], "kid": ISSUER.kid})),
    _refused("an empty signature", _NONE, _HEADER + b"." + _PAYLOAD + b"."),
    _refused("no signature", _NONE, _HEADER + b"." + _PAYLOAD),
    _refused(
        "a signature of zeros", "CVE-2022-21449: r = s = 0", _HEADER + b"." + _PAYLOAD + b"." + _encoded(b"\0" * 64)
    ),
    _refused("a signature with a bit turned", "RFC 7518 3.4", _GOOD[:-10] + bytes([_GOOD[-10] ^ 1]) + _GOOD[-9:]),
    _refused("a signature cut short", "RFC 7518 3.4", _GOOD[:-4]),
    _refused("claims that were not signed", "RFC 7515 5.2", _HEADER + b"." + _encoded(_claims()) + b"." + _SIGNATURE),
    _refused("an HMAC with the public key", _CONFUSION, _hmac(_PEM)),
    _refused("an HMAC with an empty key", _CONFUSION, _hmac(b"")),
    _refused("an algorithm of another curve", _CONFUSION, _by_hand({"alg": "ES384", "kid": ISSUER.kid}, b"x" * 96)),
    _refused("an RSA algorithm with an EC key", _CONFUSION, _by_hand({"alg": "RS256", "kid": ISSUER.kid}, b"x" * 256)),
    _refused("EdDSA with an EC key", _CONFUSION, _by_hand({"alg": "EdDSA", "kid": ISSUER.kid})),
    _refused("another issuer's key of the same name", "RFC 7515 4.1.4", _OTHER.token().encode()),
    _refused(
        "the key in the token",
        _KEYS,
        _by_hand({"alg": "ES256", "kid": ISSUER.kid, "jwk": _OTHER.public_jwk()}),
    ),
    _refused(
        "the address of keys in the token",
        _KEYS,
        _by_hand({"alg": "ES256", "kid": ISSUER.kid, "jku": "https://evil.example/jwks.json"}),
    ),
    _refused("a certificate in the token", _KEYS, _by_hand({"alg": "ES256", "kid": ISSUER.kid, "x5c": ["MIIB"]})),
    _refused("a kid that is a path", _KEYS, _by_hand({"alg": "HS256", "kid": "../../../../dev/null"})),
    _refused("a kid that is SQL", _KEYS, _by_hand({"alg": "ES256", "kid": "' UNION SELECT 'x'--"})),
    _refused("a kid that is a number", _KEYS, _by_hand({"alg": "ES256", "kid": 1})),
    _refused(
        "an extension that must be understood",
        "RFC 7515 4.1.11: crit",
        _by_hand({"alg": "ES256", "kid": ISSUER.kid, "crit": ["b64"], "b64": False}),
    ),
    _refused("an expired token", _CLAIMS, ISSUER.token(exp=int(time.time()) - 3600).encode()),
    _refused("a token without an expiry", _CLAIMS, ISSUER.token(exp=None).encode()),
    _refused("an expiry that is text", _CLAIMS, _by_hand({"alg": "ES256", "kid": ISSUER.kid}, exp="never")),
    _refused("a token that is not valid yet", _CLAIMS, ISSUER.token(nbf=int(time.time()) + 3600).encode()),
    _refused("a token from the future", _CLAIMS, ISSUER.token(iat=int(time.time()) + 3600).encode()),
    _refused("another issuer", _CLAIMS, ISSUER.token(iss="https://evil.example").encode()),
    _refused("an issuer with a slash more", _CLAIMS, ISSUER.token(iss=ISSUER_NAME + "/").encode()),
    _refused("no issuer", _CLAIMS, ISSUER.token(iss=None).encode()),
    _refused("another audience", _CLAIMS, ISSUER.token(aud="other").encode()),
    _refused("a list of other audiences", _CLAIMS, ISSUER.token(aud=["other", "shop2"]).encode()),
    _refused("no audience", _CLAIMS, ISSUER.token(aud=None).encode()),
    _refused("no subject", _CLAIMS, ISSUER.token(sub=None).encode()),
    _refused("a subject with a line end", "Attack: a claim that ends a field", ISSUER.token("a\r\nX-B: 1").encode()),
    _refused(
        "a scope with a line end", "Attack: a claim that ends a field", ISSUER.token(scope="a\r\nX-B: 1").encode()
    ),
    _refused("padded base64", _FORM, _HEADER + b"=." + _PAYLOAD + b"." + _SIGNATURE),
    _refused("four parts", _FORM, _GOOD + b".x"),
    _refused("five parts", "RFC 7516: not signed but encrypted", _GOOD + b".x.x"),
    _refused("a space in it", _FORM, _HEADER + b" ." + _PAYLOAD + b"." + _SIGNATURE),
    _refused("a byte above ASCII in it", _FORM, _GOOD + b"\xe4"),
    _refused("a token of more than 8 KiB", "RFC 8725 3.3: bounded before it is decoded", _GOOD + b"x" * 8192),
    _refused("dots alone", _FORM, b".."),
]
