"""The gateway's token as `request.user`, for synchronous and asynchronous views.

    MIDDLEWARE = […, "django.contrib.auth.middleware.AuthenticationMiddleware",
                  "django_strangler.tokens.middleware.TokenMiddleware", …]

A request without a token keeps its session's user. A token that is not valid is refused with 401, and a token of
another user than the session's with 403: one of the two is not the caller's, and serving either could show one
customer another's data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from django_strangler.both_kinds import BothKinds
from django_strangler.conf import options
from django_strangler.headers import TOKEN, meta_name
from django_strangler.tokens.users import user_for
from django_strangler.tokens.verify import GatewayIdentity, TokenRefused, identity_of

_TOKEN = meta_name(TOKEN)
_log = logging.getLogger("django_strangler")


class TokenMiddleware(BothKinds):
    """See the module. Sets `request.user` and `request.strangler`, the verified identity."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if not options().keys:
            raise MiddlewareNotUsed("STRANGLER['KEYS'] is empty, so no token of the gateway can be verified.")
        super().__init__(get_response)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = authenticate(request) or self._get_response(request)
        return response

    async def _respond_async(self, request: HttpRequest) -> HttpResponseBase:
        refused = await sync_to_async(authenticate)(request) if _TOKEN in request.META else None
        response: HttpResponseBase = refused or await self._get_response(request)
        return response


def authenticate(request: HttpRequest) -> HttpResponse | None:
    """Set the user of `request` by its token; the response if the request is refused."""
    token = request.META.get(_TOKEN)
    if token is None:
        return None
    try:
        identity = identity_of(token)
    except TokenRefused as error:
        _log.warning("refused a request to %s: %s", request.path, error)
        return _refusal(401, "The gateway's token is not valid.")
    user = user_for(identity)
    if user is None:
        return _refusal(403, "The caller has no account here.")
    if settings.SESSION_COOKIE_NAME in request.COOKIES and not _agrees(request, user):
        _log.warning("refused a request to %s: its session and its token are of two users", request.path)
        return _refusal(403, "The session and the token belong to two users.")
    _set_user(request, user, identity)
    return None


def _agrees(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Whether the session's user, if there is one, is `user`."""
    of_session = getattr(request, "user", AnonymousUser())
    return not of_session.is_authenticated or of_session.pk == user.pk


def _set_user(request: HttpRequest, user: AbstractBaseUser, identity: GatewayIdentity) -> None:
    async def auser() -> AbstractBaseUser:
        return user

    request.user = user  # type: ignore[assignment]
    request.auser = auser  # type: ignore[assignment]
    request.strangler = identity  # type: ignore[attr-defined]
    if identity.via == "token" and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        # A bearer token is nothing that a browser sends by itself, so another site can't make it send one.
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]


def _refusal(status: int, detail: str) -> HttpResponse:
    response = JsonResponse(
        {"status": status, "detail": detail}, status=status, content_type="application/problem+json"
    )
    response.headers["Cache-Control"] = "no-store"
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
