"""Verifies bearer tokens (RFC 6750, RFC 7519) as RFC 8725 asks.

What the token says of itself decides nothing but which key of the provider's
set is tried: algorithms come from the configuration and must fit the key, and
`jku`, `x5u`, `jwk`, `x5c`, `crit` and `b64` are refused. Times must be numbers
(RFC 7519 section 2), and a token that was issued in the future is refused as
one that is not valid yet. A verdict is remembered until the token expires, and
with this verifier, which is replaced when the key set or the configuration
changes.
"""

from __future__ import annotations

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import jwt

from gateway.auth.identity import ClaimsRefused, Identity, identity_of
from gateway.auth.keys import Key, KeySet
from gateway.auth.remembered import RememberedCallers
from gateway.config.snapshot import Provider

_SCHEME_BYTES = len(b"Bearer ")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_REFUSED_FIELDS = ("jku", "x5u", "jwk", "x5c", "crit", "b64")


class TokenRefused(Exception):
    """The credentials are not accepted; `error` is RFC 6750's code, `detail` holds nothing of the token."""

    def __init__(self, detail: str, error: str = "invalid_token", status: int = 401) -> None:
        super().__init__(detail)
        self.detail = detail
        self.error = error
        self.status = status


class UnknownKey(Exception):
    """The token names a key that is not in the set; a newer set may have it."""

    def __init__(self, kid: str) -> None:
        super().__init__("the token names a key that is not in the set")
        self.kid = kid
        self.provider = ""


class NoKeys(Exception):
    """There is no key to verify anything with."""


class Verifier:
    """Verifies the tokens of one provider with one key set."""

    def __init__(self, provider: Provider, keys: KeySet | None) -> None:
        self.provider = provider
        self._keys: dict[str | None, Key] = dict(keys.keys) if keys is not None else {}
        if provider.secret is not None:
            self._keys = {None: Key(provider.secret, frozenset({"HS256", "HS384", "HS512"}))}
        self._remembered = RememberedCallers(provider.remembered)

    def verify(self, credentials: bytes, now: float) -> Identity:
        """The caller whom the Authorization value `credentials` names; `now` is in Unix seconds.

        Raises TokenRefused, UnknownKey or NoKeys.
        """
        identity = self._remembered.get(credentials)
        if identity is not None and identity.expires_at > now:
            return identity
        token = self._token(credentials)
        identity = self._identity(self._claims(token), now)
        # A caller could write one token with any number of spaces before it, and fill the memory with that.
        if len(credentials) == _SCHEME_BYTES + len(token):
            self._remembered.remember(credentials, identity)
        return identity

    def _token(self, credentials: bytes) -> str:
        scheme, _, rest = credentials.partition(b" ")
        if scheme.lower() != b"bearer":
            # Without an error code, as where nothing was sent at all (RFC 6750 section 3.1).
            raise TokenRefused("The Authorization field holds no bearer token.", "")
        token = rest.strip(b" ").decode("latin-1")
        if len(token) > self.provider.token_bytes:
            raise TokenRefused("The token is too long.")
        if not _COMPACT.fullmatch(token) or not all(map(_is_utf_8, token.split(".")[:2])):
            raise TokenRefused("The token is not a signed JSON Web Token.")
        return token

    def _claims(self, token: str) -> dict[str, Any]:
        if not self._keys:
            raise NoKeys
        try:
            key = self._key_for(jwt.get_unverified_header(token))
            return jwt.decode(
                token,
                key.material,
                algorithms=[name for name in self.provider.algorithms if name in key.algorithms],
                audience=list(self.provider.audiences),
                issuer=self.provider.issuer,
                # Times are checked in _identity, by the clock that the caller gave.
                options={
                    "require": ["exp", "sub", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(_reason(error)) from None

    def _key_for(self, header: dict[str, Any]) -> Key:
        if any(field in header for field in _REFUSED_FIELDS):
            raise TokenRefused("The token's header holds a field that is not accepted.")
        if header.get("alg") not in self.provider.algorithms:
            raise TokenRefused("The token's algorithm is not accepted.")
        kid = header.get("kid")
        key = self._keys.get(None if self.provider.secret is not None else kid)
        if key is None and kid is None:
            if len(self._keys) > 1:
                raise TokenRefused("The token does not name its key.")
            key = next(iter(self._keys.values()))
        if key is None:
            raise UnknownKey(str(kid))
        if header["alg"] not in key.algorithms:
            raise TokenRefused("The token's algorithm does not fit its key.")
        return key

    def _identity(self, claims: dict[str, Any], now: float) -> Identity:
        leeway = self.provider.leeway
        expires_at = _seconds(claims, "exp") + leeway
        if expires_at <= now:
            raise TokenRefused("The token has expired.")
        for name in ("nbf", "iat"):
            if name in claims and _seconds(claims, name) > now + leeway:
                raise TokenRefused("The token is not valid yet.")
        try:
            return identity_of(claims, self.provider.issuer, expires_at)
        except ClaimsRefused as refused:
            raise TokenRefused(str(refused)) from None


def _is_utf_8(part: str) -> bool:
    """Whether a part can be JSON in UTF-8 without a byte order mark (RFC 7519 section 7.2, RFC 8259 section 8.1).

    The JSON parser would guess UTF-16 and UTF-32 by their zero bytes, and readers that differ in what they guess may
    differ in what is signed.
    """
    begins = urlsafe_b64decode(part[:4] + "=" * (-len(part[:4]) % 4)) if len(part) != 1 else b""
    return b"\0" not in begins and not begins.startswith(_BYTE_ORDER_MARKS)


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 section 2) in Unix seconds."""
    value = claims[name]
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if math.isfinite(seconds):
            return seconds
    raise TokenRefused(f"The token's claim {name} is not a time.")


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.InvalidAudienceError():
            return "The token is for another audience."
        case jwt.InvalidIssuerError():
            return "The token is from another issuer."
        case jwt.MissingRequiredClaimError():
            return f"The token has no claim {error.claim}."
        case jwt.InvalidSignatureError():
            return "The token's signature is wrong."
        case _:
            return "The token can't be verified."
