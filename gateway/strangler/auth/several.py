"""Verify a token that one of several providers may have issued, for example while changing the identity provider.

The token's own `iss`, not verified yet, only selects the provider: that
provider then verifies the whole token, including its `iss`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from strangler.auth.identity import Identity
from strangler.auth.verify import NoKeys, TokenRefused, UnknownKey, Verifier


def verify_with_one_of(verifiers: Sequence[Verifier], credentials: bytes, now: float) -> Identity:
    """The caller whom the Authorization value `credentials` names, by the first of `verifiers` that accepts it.

    Raises TokenRefused, UnknownKey or NoKeys.
    """
    for verifier in verifiers:
        identity = verifier.remembered(credentials, now)
        if identity is not None:
            return identity
    issuer = _named_issuer(credentials)
    asked = [one for one in verifiers if one.provider.issuer == issuer is not None]
    asked += [one for one in verifiers if one.provider.issuer is None]
    if not asked:
        if isinstance(issuer, str):
            raise TokenRefused("The token is from another issuer.")
        # One of them gives the reason for the refusal.
        asked = [*verifiers[:1]]
    refused: TokenRefused | None = None
    unanswered: UnknownKey | NoKeys | None = None
    for verifier in asked:
        try:
            return verifier.verify(credentials, now)
        except TokenRefused as error:
            refused = refused or error
        except (UnknownKey, NoKeys) as error:
            unanswered = unanswered or error
    # Newer keys may accept the token, so it is not refused before they have been requested.
    reason = unanswered or refused
    assert reason is not None, "every verifier returns or raises"
    raise reason


def _named_issuer(credentials: bytes) -> object:
    """The `iss` that a token claims, None where it can't be read."""
    parts = credentials.split(b".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)).decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return claims.get("iss") if isinstance(claims, dict) else None
