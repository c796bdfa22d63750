"""Service tokens: which other service calls (RFC 7523 in spirit: short-lived JWTs that the caller signs itself).

Each service that may call has a key set of its own, and is the issuer (`iss`) of its tokens; the audience (`aud`) is
the called service, so that a token for one service is of no use at another. RS256 only, at most five minutes long, no
clock leeway.
"""

from __future__ import annotations

from collections.abc import Mapping

import jwt
import structlog

from payments_service.answer import invalid_token, no_keys, unauthorized
from payments_service.key_set import ALGORITHM
from payments_service.keys import Keys, NoKeys

LONGEST_LIFETIME = 300
"""Seconds between `iat` and `exp`."""


class CallerVerifier:
    """Tells valid service tokens from all others. `keys` are by the name of the calling service."""

    def __init__(self, keys: Mapping[str, Keys], audience: str) -> None:
        self._keys = keys
        self._audience = audience

    async def verify(self, authorization: list[str]) -> str:
        """The name of the service that signed the token in the `Authorization` header's lines.

        Raises the `ApiError` for a request without a token, with an invalid one, or at a time when there is no key to
        verify it with.
        """
        token = bearer_token(authorization)
        try:
            # Unverified only to choose the keys; the verification below requires the same issuer.
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            header = jwt.get_unverified_header(token)
            if not isinstance(issuer, str) or issuer not in self._keys or header.get("alg") != ALGORITHM:
                raise invalid_token()
            key = await self._keys[issuer].find(header.get("kid"))
            if key is None:
                raise invalid_token()
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=issuer,
                audience=self._audience,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except NoKeys:
            raise no_keys() from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise invalid_token() from None
        if claims["exp"] - claims["iat"] > LONGEST_LIFETIME:
            raise invalid_token()
        structlog.contextvars.bind_contextvars(caller=issuer)
        return issuer


def bearer_token(lines: list[str]) -> str:
    """The token in the one `Authorization` header; the `ApiError` if that has another scheme or is absent."""
    # Two such headers are one list, as for every field, and a list is no valid token.
    scheme, _, credentials = ",".join(lines).strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthorized()
    return credentials.strip(" ")
