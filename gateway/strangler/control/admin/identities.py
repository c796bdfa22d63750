"""`POST /identities/revoke`: a Django project reports that sessions have ended, and every worker forgets them.

The call is signed with the secret of the provider whose sessions it is about
(`auth.signatures`), which stands in for a token of the admin API. The body
names digests of session cookies and identities. To forget too much costs a call
per session, to forget too little lets a logged-out caller in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from time import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strangler.auth.signatures import CALL_HEADER, REVOKE, body_digest, is_stamped
from strangler.control.admin.body import bounded_body
from strangler.control.admin.operations import Operation, Returned
from strangler.control.admin.problems import Refused
from strangler.control.admin.state import Shown

PATH = "/identities/revoke"
BODY_BYTES = 262_144
"""The maximum body: some thousand sessions."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Revoked:
    """What to forget: SHA-256 of session cookies in hexadecimal digits, and identities."""

    sessions: list[str]
    subjects: list[str]


def identity_operations(gateway: Shown) -> list[Operation]:
    """The operations about the callers that `gateway` remembers."""

    async def revoke(request: Request) -> Response:
        body = await bounded_body(request, BODY_BYTES)
        stamp, parts = request.headers.get(CALL_HEADER, ""), ("POST", PATH, body_digest(body))
        secrets = [one.session.secret for one in gateway.snapshot.providers.values() if one.session is not None]
        if not any(is_stamped(stamp, secret, REVOKE, parts, time()) for secret in secrets):
            raise Refused(403, "The call is not signed by a project that knows sessions.")
        sessions, subjects = _named(body)
        gateway.forget_sessions(sessions, subjects)
        return JSONResponse({"sessions": len(sessions), "subjects": len(subjects)})

    return [
        Operation(
            "POST",
            PATH,
            f"Forget who sessions belong to; signed in {CALL_HEADER} by the project that knows them, without a token.",
            revoke,
            Returned("How many were named; every worker forgets them.", document=dict[str, int]),
            body=Revoked,
            refusals=(400, 413),
        )
    ]


def _named(body: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """The sessions and subjects in `body`; Refused if it is malformed."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    named = document if isinstance(document, dict) else {"sessions": None}
    sessions, subjects = (_texts(named.get(name, [])) for name in ("sessions", "subjects"))
    if not all(map(_DIGEST.fullmatch, sessions)):
        raise Refused(400, "A session is named by the SHA-256 of its cookie, in hexadecimal digits.")
    return sessions, subjects


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused(400, 'The body must be {"sessions": [DIGEST...], "subjects": [TEXT...]}.')
    return frozenset(value)
