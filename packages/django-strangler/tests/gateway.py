"""The gateway's side of the protocol, as the tests play it."""

from __future__ import annotations

import base64
import json
from time import time
from typing import Any

import jwt
from asgiref.sync import async_to_sync
from django.test import Client

from django_strangler import headers, signatures
from django_strangler.identity.endpoint import AUDIENCE, ISSUER, KEY_USE
from tests.settings import SHARED

PATH = "/.strangler/session"


def session_call(cookie: object, **changed: Any) -> dict[str, Any]:
    """The arguments of the test client's `post` for a call about the session `cookie`."""
    body = json.dumps({"session": cookie})
    at, secret, nonce = changed.get("at", time()), changed.get("secret", SHARED), changed.get("nonce")
    parts = ("POST", PATH, signatures.body_digest(changed.get("signed_body", body).encode()))
    value = signatures.stamp(secret, changed.get("purpose", signatures.SESSION_CALL), parts, at, nonce)
    return {"path": PATH, "data": body, "content_type": "application/json", "headers": {headers.CALL: value}}


def claims_for(cookie: object) -> dict[str, Any]:
    """What the app says of the session `cookie`, verified as the gateway does."""
    call = session_call(cookie)
    response = Client().post(**call)
    assert response.status_code == 200, response.content
    assert not response.cookies
    token = response.json()["token"]
    key = signatures.derived_key(SHARED, KEY_USE)
    claims: dict[str, Any] = jwt.decode(token, key, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    assert claims["nonce"] == call["headers"][headers.CALL].split(".")[2]
    return claims


def ask(at: float | None = None, secret: str = SHARED) -> dict[str, str]:
    """The header that asks for a route."""
    return {headers.ASK: signatures.stamp(secret, signatures.ASK, (), at or time())}


def shadow(method: str, path: str, body: bytes, *, secret: str = SHARED, at: float | None = None) -> dict[str, str]:
    """The marker of a shadow copy."""
    parts = (method, path, signatures.body_digest(body))
    return {headers.SHADOW: signatures.stamp(secret, signatures.SHADOW, parts, at or time())}


def blocked(response: Any, marker: dict[str, str]) -> dict[str, int] | None:
    """What the response confirms to have blocked; None without a valid confirmation."""
    value = response.headers.get(headers.GUARDED)
    if value is None:
        return None
    version, kinds, signature = value.split(".")
    parts = (marker[headers.SHADOW].split(".")[2], str(response.status_code), kinds)
    assert version == "v1"
    assert signatures.signer(signature, (SHARED,), signatures.GUARDED, parts)
    return (
        {} if kinds == "none" else {kind: int(count) for kind, count in (item.split("=") for item in kinds.split(","))}
    )


def route(response: Any, asked: dict[str, str], method: str, path: str) -> str:
    """The route that the response names, verified."""
    version, encoded, signature = response.headers[headers.ROUTE].split(".")
    named = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    parts = (asked[headers.ASK].split(".")[2], method, path, named)
    assert version == "v1"
    assert signatures.signer(signature, (SHARED,), signatures.ROUTE, parts)
    return named


def awaited(method: Any, *args: Any, **kwargs: Any) -> Any:
    """The response of a method of an AsyncClient."""

    async def call() -> Any:
        return await method(*args, **kwargs)

    return async_to_sync(call)()
