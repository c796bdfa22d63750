"""Authentication for Django REST framework by the gateway's token.

    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["django_strangler.tokens.rest_framework.GatewayAuthentication", …],
    }

`TokenMiddleware` verifies the token, so that pages and API agree; this class passes its user on. Put it first: later
classes, such as simplejwt's, answer for requests without a token of the gateway.
"""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from django_strangler.tokens.verify import GatewayIdentity


class GatewayAuthentication(BaseAuthentication):  # type: ignore[misc]
    """The user whom the middleware set by the gateway's token; `request.auth` is the identity."""

    def authenticate(self, request: Request) -> tuple[object, GatewayIdentity] | None:
        """User and identity, None without a token. A session's caller needs a CSRF token, as with a session alone."""
        identity = getattr(request._request, "strangler", None)
        if identity is None:
            return None
        if identity.via != "token":
            SessionAuthentication().enforce_csrf(request)
        return request._request.user, identity

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return "Bearer"
