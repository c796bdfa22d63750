"""Verifies bearer tokens (RFC 6750, RFC 7519) as RFC 8725 requires.

The token's header selects only which key of the provider's set is tried:
algorithms come from the configuration and must match the key. If a token brings
a key or a reference to one (`jku`, `x5u`, `jwk`, `x5c`), that is ignored, and
nothing is fetched. `crit` and `b64`, which change what a
signature means, are refused. Text is UTF-8 without a byte order mark (RFC 7515
section 2): parsers differ about anything else. Times must be numbers (RFC 7519
section 2), and a token that was issued in the future is refused as one that is
not valid yet. A verdict is remembered until the token expires, and with this
verifier, which is replaced when the key set or the configuration changes.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import jwt

from strangler.auth.claims import claim, claim_text
from strangler.auth.identity import ClaimsRefused, Identity, identity_of
from strangler.auth.keys import Key, KeySet, meant_by
from strangler.auth.remembered import RememberedCallers
from strangler.model.auth import Provider

_SCHEME_BYTES = len(b"Bearer ")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ANOTHER_SCHEME = re.compile(rb"(?!bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-]))[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.IGNORECASE)
_REFUSED_FIELDS = ("crit", "b64")
_UNREADABLE = "The token can't be verified."
_HMAC = frozenset({"HS256", "HS384", "HS512"})
_SIGNATURES = jwt.PyJWS()
for _name in ("Ed25519", "Ed448"):
    _SIGNATURES.register_algorithm(_name, _SIGNATURES.get_algorithm_by_name("EdDSA"))


class TokenRefused(Exception):
    """The credentials are not accepted; `error` is RFC 6750's code, `detail` holds nothing of the token."""

    def __init__(self, detail: str, error: str = "invalid_token", status: int = 401) -> None:
        super().__init__(detail)
        self.detail = detail
        self.error = error
        self.status = status


class UnknownKey(Exception):
    """The token names a key that is not in the set; a newer set may have it."""

    def __init__(self, kid: str, provider: str) -> None:
        super().__init__("the token names a key that is not in the set")
        self.kid = kid
        self.provider = provider


class NoKeys(Exception):
    """There is no key to verify anything with."""


def is_another_scheme(credentials: bytes) -> bool:
    """Whether the Authorization value `credentials` is of another scheme than Bearer, or empty."""
    return not credentials or _ANOTHER_SCHEME.match(credentials) is not None


class Verifier:
    """Verifies the tokens of one provider with one key set."""

    def __init__(self, provider: Provider, keys: KeySet | None) -> None:
        self.provider = provider
        self._accepted = frozenset[str]().union(*map(meant_by, provider.algorithms))
        self._keys: Mapping[str | None, tuple[Key, ...]] = keys.keys if keys is not None else {}
        if provider.secret is not None:
            self._keys = {None: (Key(provider.secret, _HMAC),)}
        self._every_key = tuple(key for named in self._keys.values() for key in named)
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

    def remembered(self, credentials: bytes, now: float) -> Identity | None:
        """The caller whom `credentials` name, where they were verified before."""
        identity = self._remembered.get(credentials)
        return identity if identity is not None and identity.expires_at > now else None

    def _token(self, credentials: bytes) -> str:
        scheme, _, rest = credentials.partition(b" ")
        if scheme.lower() != b"bearer":
            # Without an error code, as where nothing was sent at all (RFC 6750 section 3.1).
            raise TokenRefused("The Authorization header has no bearer token.", "")
        token = rest.strip(b" ").decode("latin-1")
        if len(token) > self.provider.token_bytes:
            raise TokenRefused("The token is too long.")
        if not _COMPACT.fullmatch(token):
            raise TokenRefused("The token is not a signed JSON Web Token.")
        return token

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of `token`, signed by a key of this provider and meant for us."""
        if not self._every_key:
            raise NoKeys
        header = _object(_decoded(token.partition(".")[0]))
        key = self._key_for(header)
        try:
            payload = _SIGNATURES.decode(token, key.material, algorithms=[header["alg"]])
        except jwt.InvalidSignatureError:
            raise TokenRefused("The token's signature is wrong.") from None
        except jwt.PyJWTError:
            raise TokenRefused(_UNREADABLE) from None
        claims = _object(payload)
        self._check_issuer(claims)
        self._check_audience(claims)
        return claims

    def _key_for(self, header: dict[str, Any]) -> Key:
        if any(field in header for field in _REFUSED_FIELDS):
            raise TokenRefused("The token's header has a field that is not accepted.")
        algorithm, kid = header.get("alg"), header.get("kid")
        meant = self._accepted & meant_by(algorithm) if isinstance(algorithm, str) else None
        if not meant:
            raise TokenRefused("The token's algorithm is not accepted.")
        if not isinstance(kid, str | None):
            raise TokenRefused(_UNREADABLE)
        keys = self._keys.get(None if self.provider.secret is not None else kid)
        if keys is None:
            if kid is not None:
                raise UnknownKey(kid, self.provider.name)
            keys = self._every_key
        fitting = [key for key in keys if key.algorithms & meant]
        if len(fitting) > 1:
            raise TokenRefused("The token does not name its key.")
        if not fitting:
            raise TokenRefused("The token's algorithm does not match its key.")
        return fitting[0]

    def _check_issuer(self, claims: Mapping[str, Any]) -> None:
        if self.provider.issuer is None:
            return
        issuer = claims.get("iss")
        if issuer is None:
            raise TokenRefused("The token has no claim iss.")
        if issuer != self.provider.issuer:
            raise TokenRefused("The token is from another issuer.")

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        if self.provider.audiences is None:
            return
        name = self.provider.audience_claim
        audience = claim(claims, name)
        if not audience:
            raise TokenRefused(f"The token has no claim {name}.")
        named = audience if isinstance(audience, list) else [audience]
        if not all(isinstance(one, str) for one in named) or not set(named) & set(self.provider.audiences):
            raise TokenRefused("The token is for another audience.")

    def _identity(self, claims: dict[str, Any], now: float) -> Identity:
        leeway = self.provider.leeway
        if claims.get("exp") is None:
            raise TokenRefused("The token has no claim exp.")
        expires_at = _seconds(claims, "exp") + leeway
        if expires_at <= now:
            raise TokenRefused("The token has expired.")
        for name in ("nbf", "iat"):
            if claims.get(name) is not None and _seconds(claims, name) > now + leeway:
                raise TokenRefused("The token is not valid yet.")
        for name, wanted in self.provider.claims:
            if wanted not in claim_text(claims, name):
                raise TokenRefused(f"The token's claim {name} does not have the value that this gateway requires.")
        try:
            return identity_of(claims, self.provider, expires_at)
        except ClaimsRefused as refused:
            raise TokenRefused(str(refused)) from None


def _decoded(segment: str) -> bytes:
    """The bytes of a part of a token (base64url without padding)."""
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise TokenRefused(_UNREADABLE) from None


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object that `data` holds, in UTF-8 without a byte order mark."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise TokenRefused(_UNREADABLE) from None
    if not isinstance(document, dict):
        raise TokenRefused(_UNREADABLE)
    return document


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
