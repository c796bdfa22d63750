"""The endpoint that the gateway asks: `POST {"session": COOKIE}`, signed, for a short-lived signed token.

It is reached through `GatewayMiddleware` before any other middleware, so no redirect to https, no ALLOWED_HOSTS and
no login requirement is in the way, and the cookie stands in the body, so no middleware touches its session. A call
that is not signed gets 404, as if the endpoint were not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from time import time
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse

from django_strangler.conf import options
from django_strangler.headers import CALL
from django_strangler.identity.claims import NoIdentity, identity_of, scopes_of
from django_strangler.identity.session_user import user_of
from django_strangler.replays import use_once
from django_strangler.signatures import SESSION_CALL, NotSigned, Stamp, body_digest, derived_key, read_stamp

ISSUER = "django-strangler"
AUDIENCE = "strangler-gateway"
KEY_USE = "session identity"
BODY_BYTES = 16_384
"""A longer body is refused; a cookie is at most 4,096 bytes in browsers."""

_log = logging.getLogger("django_strangler")


def respond(request: HttpRequest) -> HttpResponse:
    """The response to a call of the gateway."""
    try:
        stamp = _stamp(request)
    except NotSigned as error:
        _log.warning("refused a call to %s: %s", request.path, error)
        return HttpResponse(status=404)
    try:
        cookie = json.loads(request.body)["session"]
        if not isinstance(cookie, str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": 'the body must be {"session": "COOKIE"}'}, status=400)
    try:
        claims = claims_of(cookie)
    except (NoIdentity, ImproperlyConfigured) as error:
        _log.error("no identity for a session: %s", error)
        return JsonResponse({"error": "the user has no identity; see the log of the application"}, status=500)
    response = JsonResponse({"token": _signed(claims, stamp)})
    response.headers["Cache-Control"] = "no-store"
    return response


def claims_of(cookie: str) -> dict[str, Any]:
    """What is known of the caller with the session cookie `cookie`; `anonymous` where it is nobody's."""
    # A NUL byte and text that is not UTF-8 name no session, and databases refuse them.
    if not cookie.isprintable() or not cookie.isascii():
        return {"anonymous": True}
    user, at = user_of(cookie)
    if user is None:
        return {"anonymous": True}
    claims: dict[str, Any] = {"sub": identity_of(user), "scp": scopes_of(user)}
    if at is not None:
        claims["auth_time"] = at
    return claims


def session_digest(cookie: str) -> str:
    """How the gateway and the app name a session to each other, without the cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def _stamp(request: HttpRequest) -> Stamp:
    if request.method != "POST" or int(request.META.get("CONTENT_LENGTH") or 0) > BODY_BYTES:
        raise NotSigned("not a POST of a short body")
    parts = ("POST", request.path, body_digest(request.body))
    stamp = read_stamp(request.headers.get(CALL, ""), options().secrets, SESSION_CALL, parts, time())
    use_once(stamp)
    return stamp


def _signed(claims: dict[str, Any], stamp: Stamp) -> str:
    """A token for the one call that `stamp` was sent with: its nonce stands in the token."""
    chosen, now = options(), int(time())
    whole = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + chosen.token_ttl,
        "nonce": stamp.nonce,
        **claims,
    }
    return jwt.encode(whole, derived_key(stamp.secret, KEY_USE), algorithm="HS256")
