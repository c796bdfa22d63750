"""Verifies the gateway's token: signature, issuer, audience and times. Nothing in the token chooses the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured

from django_strangler.conf import options
from django_strangler.tokens.keys import gateway_keys

ALGORITHMS = ("EdDSA", "ES256", "ES384", "RS256", "PS256")
"""Asymmetric alone: whoever verifies a token can't make one."""
TOKEN_CHARACTERS = 16_384


class TokenRefused(Exception):
    """The token is not the gateway's word about this request; the text contains nothing of it."""


@dataclass(frozen=True)
class GatewayIdentity:
    """The caller, as the gateway verified it: `request.strangler`.

    `via` is how the caller authenticated: `session` or `token`; with a session the browser sends the proof by itself,
    so forged requests (CSRF) have to be refused.
    """

    subject: str
    scopes: frozenset[str]
    claims: dict[str, Any]

    @property
    def via(self) -> str:
        """How the caller authenticated at the gateway."""
        return str(self.claims.get("via", ""))


def identity_of(token: str) -> GatewayIdentity:
    """The identity in `token`. Raises TokenRefused."""
    chosen = options()
    if not chosen.keys or not chosen.audience:
        raise ImproperlyConfigured(
            "STRANGLER['KEYS'] and STRANGLER['AUDIENCE'] are needed to verify the gateway's tokens."
        )
    if len(token) > TOKEN_CHARACTERS:
        raise TokenRefused("the token is too long")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = gateway_keys().key(kid)
        if key is None:
            raise TokenRefused("the token's key is not one of the gateway's")
        claims = jwt.decode(
            token,
            key,
            algorithms=[name for name in ALGORITHMS if name == key.algorithm_name],
            audience=chosen.audience,
            issuer=chosen.issuer,
            leeway=chosen.leeway,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise TokenRefused(f"the token is refused: {error}") from None
    return _identity(claims)


def _identity(claims: dict[str, Any]) -> GatewayIdentity:
    subject, scope = claims["sub"], claims.get("scope", "")
    if not isinstance(subject, str) or not subject or not isinstance(scope, str):
        raise TokenRefused("the token's claims have wrong types")
    return GatewayIdentity(subject, frozenset(scope.split()), claims)
