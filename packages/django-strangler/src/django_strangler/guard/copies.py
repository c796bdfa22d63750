"""Runs a shadow copy under a guard, and confirms that nothing of it lasted.

The marker is a stamp over method, path and body. A request with a marker that is not valid is refused rather than
served: the gateway meant it as a copy. A stamp may be used again within its minute, since a copy changes nothing.

The view runs in one thread, so that it has the connections that are rolled back; an asynchronous view runs there
through asgiref, whose thread-sensitive calls return to that thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import time
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from django_strangler.conf import options
from django_strangler.guard.blocks import lock_everything
from django_strangler.guard.database import NotUndone, rolled_back
from django_strangler.guard.guard import Guard, activated
from django_strangler.guard.sessions import read_only_sessions
from django_strangler.headers import GUARDED, SHADOW, meta_name
from django_strangler.signatures import GUARDED as GUARDED_PURPOSE
from django_strangler.signatures import SHADOW as SHADOW_PURPOSE
from django_strangler.signatures import NotSigned, Stamp, body_digest, read_stamp, signature

_SHADOW = meta_name(SHADOW)
_log = logging.getLogger("django_strangler")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class TooLarge(Exception):
    """A copy's streaming response is longer than STRANGLER["GUARD_BODY"]."""


def is_copy(request: HttpRequest) -> bool:
    """Whether the request has a shadow marker, valid or not."""
    # Not by `request.headers`, which is made for every request that reads it.
    return _SHADOW in request.META


def serve_copy(request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
    """The response to a shadow copy, after everything that the view did is undone."""
    try:
        marker = _marker(request)
    except NotSigned as error:
        _log.warning("refused a shadow copy: %s", error)
        return JsonResponse({"error": f"the shadow marker is refused: {error}"}, status=403)
    lock_everything()
    guard = Guard()
    try:
        response = _undone(guard, request, get_response)
    except TooLarge as error:
        return JsonResponse({"error": str(error)}, status=502)
    except NotUndone as error:
        _log.error("a shadow copy of %s %s may have had an effect: %s", request.method, request.path, error)
        return JsonResponse({"error": str(error)}, status=500)
    _confirm(response, marker, guard)
    _close_guarded(response, guard)
    return response


def _marker(request: HttpRequest) -> Stamp:
    parts = (request.method or "", request.get_full_path(), body_digest(request.body))
    return read_stamp(request.META[_SHADOW], options().secrets, SHADOW_PURPOSE, parts, time())


def _undone(guard: Guard, request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
    with rolled_back(guard), read_only_sessions(), activated(guard):
        # Streams run the view's code while they are read, so they are read here.
        return _complete(get_response(request))


def _complete(response: HttpResponseBase) -> HttpResponseBase:
    if not response.streaming:
        return response
    try:
        body = _read(response, options().guard_body)
    finally:
        # `response.close` would also send `request_finished`, whose receivers close the connections.
        closers: list[Callable[[], None]] = response._resource_closers  # type: ignore[attr-defined]
        for close in closers:
            close()
        closers.clear()
    complete = HttpResponse(body, status=response.status_code)
    complete.headers = response.headers
    complete.cookies = response.cookies
    return complete


def _read(response: Any, limit: int) -> bytes:
    """The whole body of a streaming response, of at most `limit` bytes."""
    parts: list[bytes] = []

    def take(part: Any) -> None:
        parts.append(part)
        if sum(map(len, parts)) > limit:
            raise TooLarge(f"the response to the shadow copy is longer than {limit} bytes (GUARD_BODY)")

    async def take_all() -> None:
        async for part in response.streaming_content:
            take(response.make_bytes(part))

    if getattr(response, "is_async", False):
        async_to_sync(take_all)()
    else:
        for part in response.streaming_content:
            take(response.make_bytes(part))
    return b"".join(parts)


def _confirm(response: HttpResponseBase, marker: Stamp, guard: Guard) -> None:
    """Sign that the copy was undone, and what was blocked: `mail=1,celery=2`, or `none`."""
    blocked = ",".join(f"{kind}={count}" for kind, count in sorted(guard.blocked.items())) or "none"
    parts = (marker.nonce, str(response.status_code), blocked)
    response.headers[GUARDED] = f"v1.{blocked}.{signature(marker.secret, GUARDED_PURPOSE, parts)}"


def _close_guarded(response: HttpResponseBase, guard: Guard) -> None:
    """Keep the locks while the server closes the response, which sends `request_finished`."""
    close = response.close

    def guarded_close() -> None:
        with read_only_sessions(), activated(guard):
            close()

    response.close = guarded_close  # type: ignore[method-assign]
