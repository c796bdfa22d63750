"""The first middleware of a project behind the gateway.

    MIDDLEWARE = ["django_strangler.middleware.GatewayMiddleware", …]

It answers the gateway's question who a session belongs to, runs shadow copies under a guard, reports Django's route
where the gateway asks for it, drops user headers that clients sent, and tells the gateway of logouts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from time import time
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_strangler.both_kinds import BothKinds
from django_strangler.conf import options
from django_strangler.guard.copies import is_copy, serve_copy
from django_strangler.headers import ASK, ROUTE, drop_user_headers, meta_name
from django_strangler.identity import endpoint, revocation
from django_strangler.inventory.route_names import route_of
from django_strangler.signatures import ASK as ASK_PURPOSE
from django_strangler.signatures import ROUTE as ROUTE_PURPOSE
from django_strangler.signatures import NotSigned, read_stamp, signature

_ASK = meta_name(ASK)


class GatewayMiddleware(BothKinds):
    """See the module. It must be the first: what runs outside of it is not undone in a shadow copy."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if not options().secrets:
            raise MiddlewareNotUsed("STRANGLER['SECRETS'] is empty, so no message of the gateway can be verified.")
        super().__init__(get_response)
        self._session_path = options().session_path

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        drop_user_headers(request.META)
        if request.path == self._session_path:
            return endpoint.respond(request)
        if is_copy(request):
            return serve_copy(request, self._get_response)
        with revocation.collected() as revoked:
            response: HttpResponseBase = self._get_response(request)
        revocation.send(revoked)
        return _with_route(request, response)

    async def _respond_async(self, request: HttpRequest) -> HttpResponseBase:
        drop_user_headers(request.META)
        if request.path == self._session_path:
            return await sync_to_async(endpoint.respond)(request)
        if is_copy(request):
            return await sync_to_async(serve_copy)(request, async_to_sync(self._get_response))
        with revocation.collected() as revoked:
            response: HttpResponseBase = await self._get_response(request)
        if revoked.sessions or revoked.subjects:
            await sync_to_async(revocation.send, thread_sensitive=False)(revoked)
        return _with_route(request, response)


def _with_route(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response with the route of its request, if the gateway asked for it."""
    asked = request.META.get(_ASK)
    if asked is None:
        return response
    try:
        stamp = read_stamp(asked, options().secrets, ASK_PURPOSE, (), time())
    except NotSigned:
        # A client that reaches the app directly learns nothing of its routes.
        return response
    route = route_of(request)
    encoded = base64.urlsafe_b64encode(route.encode()).rstrip(b"=").decode()
    parts = (stamp.nonce, request.method or "", request.path, route)
    response.headers[ROUTE] = f"v1.{encoded}.{signature(stamp.secret, ROUTE_PURPOSE, parts)}"
    return response
