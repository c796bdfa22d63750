"""`strangler token`: tokens for development, signed with a key that is public."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from strangler.cli.claims import parse_claims

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def mint_token(key: Path, registered: dict[str, str], lifetime: int, claims: list[str]) -> int:
    """Print a token with `registered` claims and further `claims`, which are NAME=VALUE.

    1 if the key can't be read, 2 if a claim is invalid.
    """
    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(
            f"strangler: the key {key} can't be read: {reason}; run this in the checkout, or set --key",
            file=sys.stderr,
        )
        return 1
    now = int(time.time())
    content = {**registered, "iat": now, "exp": now + lifetime}
    try:
        content |= parse_claims(claims)
    except ValueError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2
    public: dict[str, Any]
    match private:
        case rsa.RSAPrivateKey():
            algorithm = "RS256"
            public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey() if private.curve.name in _CURVES:
            algorithm = _CURVES[private.curve.name]
            public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case ed25519.Ed25519PrivateKey():
            algorithm = "EdDSA"
            public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case _:
            print(f"strangler: the key {key} is of a type that can't sign tokens", file=sys.stderr)
            return 1
    print(jwt.encode(content, private, algorithm, headers={"kid": _thumbprint(public)}))
    return 0


def _thumbprint(public: dict[str, Any]) -> str:
    """The RFC 7638 thumbprint of a public key: of its required members alone, in their order by name."""
    required = {name: public[name] for name in sorted({"crv", "e", "kty", "n", "x", "y"} & public.keys())}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
