"""Key sets: which keys of a JSON Web Key Set may verify signatures.

Facts (RFC 7517, RFC 7518, RFC 8725 section 3.1): a key says what it is for in
`use`, `key_ops` and `alg`; a symmetric key in a published set is known to
everybody; RSA keys below 2,048 bits are too weak. An algorithm belongs to the
key, so a public key can never be taken for an HMAC secret.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
MINIMUM_RSA_BITS = 2048


class KeySetError(ValueError):
    """A key set that can't be read at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the algorithms that it may be used with."""

    material: Any
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys by `kid`; `skipped` says which others there were and why they are not used."""

    keys: Mapping[str | None, Key]
    digest: str
    skipped: tuple[str, ...] = ()


def parse_key_set(document: bytes) -> KeySet:
    """The usable keys of a JWKS document.

    Raises KeySetError.
    """
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeySetError("the document is not a JSON Web Key Set (an object with a list 'keys')") from error
    if not isinstance(entries, list):
        raise KeySetError("'keys' is not a list")
    keys: dict[str | None, Key] = {}
    skipped = []
    reasons = [_why_not(entry) for entry in entries]
    names = Counter(entry.get("kid") for entry, reason in zip(entries, reasons, strict=True) if reason is None)
    for position, (entry, reason) in enumerate(zip(entries, reasons, strict=True)):
        kid = entry.get("kid") if isinstance(entry, dict) else None
        if reason is None and names[kid] > 1:
            reason = "another key has no kid either" if kid is None else "its kid stands twice in the set"
        if reason is None:
            try:
                keys[kid] = _key(entry)
                continue
            except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
                reason = f"it can't be used: {error}"
        skipped.append(_printable(f"key {kid if isinstance(kid, str) else position}: {reason}"))
    return KeySet(keys, sha256(document).hexdigest(), tuple(skipped))


def _printable(text: str) -> str:
    """`text`, part of which the issuer wrote, as logs, JSON and terminals can take it: lone surrogates escaped, too."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _why_not(entry: object) -> str | None:
    if not isinstance(entry, dict):
        return "it is not an object"
    if not isinstance(entry.get("kid"), str | None):
        return "its kid is not a string"
    if entry.get("use", "sig") != "sig":
        return "it is not for signatures (use)"
    operations = entry.get("key_ops")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return "it is not for verifying (key_ops)"
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        return f"its kty {entry.get('kty')!r} is not one of RSA, EC, OKP"
    return None


def _key(entry: dict[str, Any]) -> Key:
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    material: Any
    if entry["kty"] == "RSA":
        material = jwt.algorithms.RSAAlgorithm.from_jwk(public)
        if material.key_size < MINIMUM_RSA_BITS:
            raise ValueError(f"RSA of {material.key_size} bits is too weak")
        fitting = _RSA
    elif entry["kty"] == "EC":
        material = jwt.algorithms.ECAlgorithm.from_jwk(public)
        if entry["crv"] not in _CURVES:
            raise ValueError(f"the curve {entry['crv']} has no accepted algorithm")
        fitting = frozenset({_CURVES[entry["crv"]]})
    else:
        material = jwt.algorithms.OKPAlgorithm.from_jwk(public)
        fitting = frozenset({"EdDSA"})
    named = entry.get("alg")
    if named is not None:
        fitting &= {named}
        if not fitting:
            raise ValueError(f"alg {named!r} does not fit the key")
    return Key(material, fitting)
