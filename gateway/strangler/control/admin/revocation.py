"""`POST /identities/revoke`: a Django project reports that sessions have ended, and every worker forgets them.

The call is signed with the secret of the provider whose sessions it is about
(`auth.signatures`), so it needs no login. The body names digests of session
cookies and identities: `{"sessions": [...], "subjects": [...]}`. To forget too
much costs a call per session, to forget too little lets a logged-out caller in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from time import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from strangler.auth.signatures import CALL_HEADER, REVOKE, body_digest, is_stamped
from strangler.model.auth import Provider

PATH = "/identities/revoke"
BODY_BYTES = 262_144
"""The maximum body: some thousand sessions."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def revocation_route(
    providers: Callable[[], Mapping[str, Provider]], forget: Callable[[frozenset[str], frozenset[str]], None]
) -> Route:
    """The route; `providers` returns those of the running configuration, `forget` tells every worker."""

    async def revoke(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > BODY_BYTES:
                return PlainTextResponse(f"The body is longer than {BODY_BYTES} bytes.\n", 413)
        stamp, parts = request.headers.get(CALL_HEADER, ""), ("POST", PATH, body_digest(body))
        secrets = [one.session.secret for one in providers().values() if one.session is not None]
        if not any(is_stamped(stamp, secret, REVOKE, parts, time()) for secret in secrets):
            return PlainTextResponse("The call is not signed by a project that knows sessions.\n", 403)
        named = _named(body)
        if named is None:
            return PlainTextResponse('The body must be {"sessions": [DIGEST...], "subjects": [TEXT...]}.\n', 400)
        forget(*named)
        return Response(status_code=204)

    return Route(PATH, revoke, methods=["POST"])


def _named(body: bytes) -> tuple[frozenset[str], frozenset[str]] | None:
    """The sessions and subjects in `body`, None if it is malformed."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    lists = [document.get(name, []) for name in ("sessions", "subjects")]
    if not all(isinstance(one, list) and all(isinstance(item, str) for item in one) for one in lists):
        return None
    sessions, subjects = map(frozenset, lists)
    return (sessions, subjects) if all(map(_DIGEST.fullmatch, sessions)) else None
