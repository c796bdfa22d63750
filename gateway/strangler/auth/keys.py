"""Key sets: which keys of a JSON Web Key Set may verify signatures, and which of them a token means.

Facts (RFC 7517, RFC 7518, RFC 8725 section 3.1): a key states its purpose in
`use`, `key_ops` and `alg`; a symmetric key in a published set is
public; RSA keys below 2,048 bits are too weak. An algorithm belongs to the
key, so a public key can never be taken for an HMAC secret.

Issuers publish one key twice (once for each `alg`), keys of different types
under one `kid`, and `null` for members that they have no value for. So a key is
looked up by `kid` and algorithm together, equal keys are one, and `null` is
absence. `EdDSA` is an older name for Ed25519 and Ed448 (RFC 9864).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EDDSA = frozenset({"Ed25519", "Ed448"})
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
MINIMUM_RSA_BITS = 2048


class KeySetError(ValueError):
    """A key set that can't be read at all; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the algorithms that it may be used with, `EdDSA` by its newer names."""

    material: Any
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys by `kid`; `skipped` lists the others with the reason why they are not used.

    Of several keys under one `kid` each algorithm belongs to one.
    """

    keys: Mapping[str | None, tuple[Key, ...]]
    digest: str
    skipped: tuple[str, ...] = ()

    @property
    def all_keys(self) -> tuple[Key, ...]:
        """All usable keys."""
        return tuple(key for named in self.keys.values() for key in named)


def meant_by(algorithm: str) -> frozenset[str]:
    """The algorithms that `algorithm` names: one, and two for `EdDSA`."""
    return _EDDSA if algorithm == "EdDSA" else frozenset({algorithm})


def why_unusable(keys: KeySet, algorithms: Iterable[str]) -> str | None:
    """Why `keys` can't verify a token signed with any of `algorithms`; None where a key can."""
    accepted = frozenset[str]().union(*map(meant_by, algorithms))
    if any(key.algorithms & accepted for key in keys.all_keys):
        return None
    others = sorted(frozenset[str]().union(*(key.algorithms for key in keys.all_keys)))
    reasons = [f"its keys are for {', '.join(others)}"] if others else []
    listed = "; ".join([*reasons, *keys.skipped]) or "it is empty"
    return f"it has no key that can verify {', '.join(algorithms)}: {listed}"


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
    named: dict[str | None, list[Key]] = {}
    skipped = []
    for position, entry in enumerate(entries):
        present = _present(entry)
        reason = _why_not(present)
        if reason is None:
            assert present is not None
            try:
                _add(named.setdefault(present.get("kid"), []), _key(present))
                continue
            except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
                reason = f"it can't be used: {error}"
        kid = present.get("kid") if present is not None else None
        skipped.append(_printable(f"key {kid if isinstance(kid, str) else position}: {reason}"))
    keys: dict[str | None, tuple[Key, ...]] = {}
    for name, several in named.items():
        keys[name], dropped = _told_apart(several)
        what = "keys without a kid" if name is None else f"keys {name}: they"
        skipped += [_printable(f"{dropped} {what} differ but match the same algorithms")] if dropped else []
    return KeySet(
        {name: several for name, several in keys.items() if several}, sha256(document).hexdigest(), tuple(skipped)
    )


def _add(known: list[Key], key: Key) -> None:
    """Add `key`; the same key for other algorithms becomes one key for all of them."""
    for position, other in enumerate(known):
        if type(other.material) is type(key.material) and other.material == key.material:
            known[position] = Key(key.material, other.algorithms | key.algorithms)
            return
    known.append(key)


def _told_apart(keys: list[Key]) -> tuple[tuple[Key, ...], int]:
    """`keys` of one `kid` with the algorithms that no other of them fits, and how many have no such algorithm."""
    alone = []
    for key in keys:
        others = frozenset[str]().union(*(other.algorithms for other in keys if other is not key))
        if key.algorithms - others:
            alone.append(Key(key.material, key.algorithms - others))
    return tuple(alone), len(keys) - len(alone)


def _printable(text: str) -> str:
    """`text`, part of which the issuer wrote, as logs, JSON and terminals can take it: lone surrogates escaped, too."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _present(entry: object) -> dict[str, Any] | None:
    """The members of a key that have a value; None for what is no object."""
    if not isinstance(entry, dict):
        return None
    return {name: value for name, value in entry.items() if value is not None}


def _why_not(entry: dict[str, Any] | None) -> str | None:
    if entry is None:
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
    public = {name: value for name, value in entry.items() if name not in _PRIVATE}
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
        fitting = _EDDSA & {entry["crv"]}
    named = entry.get("alg")
    if named is not None:
        fitting &= meant_by(named) if isinstance(named, str) else frozenset()
        if not fitting:
            raise ValueError(f"alg {named!r} does not match the key")
    return Key(material, fitting)
