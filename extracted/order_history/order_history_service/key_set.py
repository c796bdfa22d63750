"""Reading a JSON Web Key Set (RFC 7517): which keys of it may verify a token."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHM = "RS256"

# RFC 7518, section 3.3: RS256 needs a key of 2048 bits or more.
LEAST_RSA_BITS = 2048


class KeySetError(Exception):
    """A document is no key set, or has no key that could be used; the message says which."""


def read_key_set(document: bytes) -> dict[str, RSAPublicKey]:
    """The keys for RS256 signatures, by `kid`; a key without one is filed under the empty string.

    Other keys are left out: of another type, for encryption, for another algorithm, too short, or not
    readable. So are keys that share a `kid`, for there is no telling which is meant.
    Raises `KeySetError` if none is left.
    """
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        raise KeySetError("is not JSON") from None
    members = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(members, list):
        raise KeySetError("is not a JSON Web Key Set")
    keys: dict[str, RSAPublicKey] = {}
    ambiguous: set[str] = set()
    for member in members:
        key = _verification_key(member)
        if key is None:
            continue
        kid = member.get("kid", "")
        if kid in keys:
            ambiguous.add(kid)
        keys[kid] = key
    for kid in ambiguous:
        del keys[kid]
    if not keys:
        raise KeySetError("has no RSA key of 2048 bits or more for RS256 signatures")
    return keys


def _verification_key(member: Any) -> RSAPublicKey | None:
    if not isinstance(member, dict) or member.get("kty") != "RSA" or "d" in member:
        return None
    if member.get("use", "sig") != "sig" or member.get("alg", ALGORITHM) != ALGORITHM:
        return None
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if not isinstance(member.get("kid", ""), str):
        return None
    try:
        key = jwt.PyJWK(member, algorithm=ALGORITHM).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_RSA_BITS else None
