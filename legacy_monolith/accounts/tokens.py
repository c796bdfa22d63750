"""Access tokens: RS256 JWTs that the shop signs, and checks itself.

The algorithm is fixed here and never taken from a token; `iss`, `aud`, `exp` and `sub` are required.
"""

import base64
import hashlib
import json
import re
import time
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from accounts.models import User
from shop.api.responses import ApiError

_ALGORITHM = "RS256"
_SUBJECT = re.compile(r"user-([1-9][0-9]{0,17})")


class SigningKey:
    """An RSA key pair, and what the world may know of it."""

    def __init__(self, private: RSAPrivateKey) -> None:
        self.private = private
        self.public: RSAPublicKey = private.public_key()
        numbers = self.public.public_numbers()
        modulus, exponent = _base64url_integer(numbers.n), _base64url_integer(numbers.e)
        # RFC 7638: the thumbprint is of exactly these members in exactly this form.
        thumbprint = json.dumps({"e": exponent, "kty": "RSA", "n": modulus}, separators=(",", ":"))
        self.kid = _base64url(hashlib.sha256(thumbprint.encode()).digest())
        self.jwks: dict[str, Any] = {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": _ALGORITHM,
                    "kid": self.kid,
                    "n": modulus,
                    "e": exponent,
                }
            ]
        }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64url_integer(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


@lru_cache(maxsize=1)
def signing_key() -> SigningKey:
    """The key that the settings name, read once."""
    try:
        private = load_pem_private_key(settings.JWT_SIGNING_KEY.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"JWT_SIGNING_KEY {settings.JWT_SIGNING_KEY}: {error}") from error
    if not isinstance(private, RSAPrivateKey) or private.key_size < 2048:
        raise ImproperlyConfigured("JWT_SIGNING_KEY must be an RSA key of at least 2048 bits.")
    return SigningKey(private)


def issue(user: User) -> dict[str, Any]:
    """The token response for a user who has just proved who they are."""
    now = int(time.time())
    key = signing_key()
    scope = " ".join(user.scopes)
    claims = {
        "iss": settings.TOKEN_ISSUER,
        "sub": user.subject,
        "aud": settings.TOKEN_AUDIENCE,
        "iat": now,
        "exp": now + settings.TOKEN_LIFETIME,
        "scope": scope,
    }
    token = jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"kid": key.kid})
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": settings.TOKEN_LIFETIME,
        "scope": scope,
    }


def authenticate(request: HttpRequest, scope: str | None = None) -> User:
    """The active user whose token the request carries; ApiError 401 without one, 403 without the scope."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise ApiError("unauthorized", headers={"WWW-Authenticate": "Bearer"})
    claims = _verified(credentials.strip(" "))
    found = _SUBJECT.fullmatch(claims["sub"])
    user = User.objects.filter(pk=int(found[1]), is_active=True).first() if found else None
    if user is None:
        raise _invalid_token()
    if scope is not None and scope not in _scopes(claims):
        raise ApiError(
            "insufficient_scope",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )
    return user


def _verified(token: str) -> dict[str, Any]:
    key = signing_key()
    try:
        parsed = jwt.decode_complete(
            token,
            key.public,
            algorithms=[_ALGORITHM],
            audience=settings.TOKEN_AUDIENCE,
            issuer=settings.TOKEN_ISSUER,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.InvalidTokenError:
        raise _invalid_token() from None
    if parsed["header"].get("kid", key.kid) != key.kid:
        raise _invalid_token()
    claims: dict[str, Any] = parsed["payload"]
    return claims


def _scopes(claims: dict[str, Any]) -> list[str]:
    value = claims.get("scope")
    return value.split(" ") if isinstance(value, str) else []


def _invalid_token() -> ApiError:
    return ApiError("invalid_token", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
