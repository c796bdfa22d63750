"""Bearer tokens (RFC 6750): who calls, and what the token lets them do.

The service checks every token itself, also behind a gateway that has done so. The algorithm is fixed
here; `iss`, `aud`, `exp` and `sub` are required; no clock leeway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import jwt

from order_history_service.answer import invalid_token, no_keys, unauthorized
from order_history_service.key_set import ALGORITHM
from order_history_service.keys import Keys, NoKeys

SUBJECT = re.compile(r"user-([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    user_id: int
    scopes: frozenset[str]


class TokenVerifier:
    """Tells valid tokens from all others."""

    def __init__(self, keys: Keys, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    async def claims(self, authorization: str | None) -> Claims:
        """What the token in an `Authorization` header says.

        Raises the `ApiError` for a request without a token, with an invalid one, or at a time when
        there is no key to check it with.
        """
        token = bearer_token(authorization)
        try:
            header = jwt.get_unverified_header(token)
            # Before its key is looked for: what is no token of ours must not cause a fetch.
            if header.get("alg") != ALGORITHM:
                raise invalid_token()
            key = await self._keys.find(header.get("kid"))
            if key is None:
                raise invalid_token()
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except NoKeys:
            raise no_keys() from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise invalid_token() from None
        subject = SUBJECT.fullmatch(claims["sub"])
        if subject is None:
            raise invalid_token()
        scope = claims.get("scope")
        scopes = frozenset(scope.split(" ")) if isinstance(scope, str) else frozenset()
        return Claims(int(subject[1]), scopes)


def bearer_token(authorization: str | None) -> str:
    """The token in an `Authorization` header; the `ApiError` if that has another scheme or is absent."""
    # The parser leaves the tabs around a field's value; they are no part of it (RFC 9110, section 5.5).
    scheme, _, credentials = (authorization or "").strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthorized()
    return credentials.strip(" ")
