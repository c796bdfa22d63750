"""Who may do what with the admin API: names, origins and bearer tokens (RFC 6750), before any path is looked at.

Everything but GET and HEAD changes something and requires a token that may
`operate`, or a signature. Reading requires a token where the API listens beyond loopback, but for
the probes. On loopback, where every process of the machine may read, a page in a
browser is another matter: it may resolve its own name to 127.0.0.1 (DNS
rebinding), so Host has to be a name of this API; and it may send requests across
origins, so Origin, which browsers add to these, has to be this API's own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from typing import Literal

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from strangler.config.compile.admin import VARIABLE, AdminAccess, AdminToken
from strangler.control.admin.identities import PATH as REVOKE_PATH
from strangler.control.admin.problems import Refused, problem
from strangler.model.addresses import is_address, is_loopback
from strangler.model.listener import ListenAddress
from strangler.routing.decide import host_name

log = structlog.get_logger(part="admin")

PROBES = ("/livez", "/readyz")
REPORT_INTERVAL = 10.0
"""Seconds between two reports of refused attempts, so that attempts do not fill the log."""

SIGNED = (REVOKE_PATH,)
"""What its caller signs with a secret of the configuration instead of showing a token (`identities`)."""

Need = Literal["nothing", "read", "operate"]


class UnguardedAdmin(Exception):
    """The admin API would be open to other machines, which requires a token."""

    def __init__(self, address: ListenAddress) -> None:
        super().__init__(
            f"the admin API at {address}, beyond loopback, requires tokens, and there are none: add admin.tokens, or"
            f" set {VARIABLE}"
        )


def need_of(method: str, path: str, *, beyond_loopback: bool) -> Need:
    """What a request requires of its token."""
    if path in SIGNED:
        return "nothing"
    if method not in ("GET", "HEAD"):
        return "operate"
    return "read" if beyond_loopback and path not in PROBES else "nothing"


class Guard:
    """Refuses what `access`, which may change with the configuration, does not permit at the address `listener`.

    The holder of the token is `holder` in the state of the requests that pass.
    """

    def __init__(self, app: ASGIApp, listener: ListenAddress, access: Callable[[], AdminAccess]) -> None:
        self._app = app
        self._listener = listener
        self._access = access
        self._beyond_loopback = not is_loopback(listener.host)
        own = {socket.gethostname().lower()} if self._beyond_loopback else set()
        self._names = {"localhost", listener.host.lower(), *own}
        self._refusals = 0
        self._reported = -REPORT_INTERVAL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with 400, 401, 403 or 421."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_names(headers)
            holder = self._holder(headers)
            self._check(need_of(scope["method"], scope["path"], beyond_loopback=self._beyond_loopback), holder)
        except Refused as refused:
            if refused.status in (401, 403):
                self._report(scope, refused)
            await problem(refused.status, str(refused), refused.headers())(scope, receive, send)
            return
        scope.setdefault("state", {})["holder"] = None if holder is None else holder.name
        await self._app(scope, receive, send)

    def _check_names(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) > 1:
            raise Refused(400, "The request has more than one Host.")
        authority = hosts[0] if hosts else ""
        name = host_name(authority)
        if name not in self._names and name not in self._access().hosts and not is_address(name):
            raise Refused(
                421, "Request the admin API by its IP address, as localhost, or by a name that admin.hosts lists."
            )
        for origin in headers.getlist("origin"):
            if origin.lower() not in (f"http://{authority}".lower(), f"https://{authority}".lower()):
                raise Refused(403, "The request comes from a page of another origin.")

    def _holder(self, headers: Headers) -> AdminToken | None:
        """The holder of the request's token, None without one. Raises Refused for a token that is not known."""
        credentials = headers.getlist("authorization")
        if not credentials:
            return None
        if len(credentials) > 1:
            raise Refused(400, "The request has more than one Authorization.", "invalid_request")
        scheme, _, token = credentials[0].partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "The admin API accepts bearer tokens only.")
        holder = self._access().holder(token.strip(" ").encode("latin-1"))
        if holder is None:
            raise Refused(401, "The token is not one of the admin API.", "invalid_token")
        return holder

    def _check(self, need: Need, holder: AdminToken | None) -> None:
        if need == "nothing":
            return
        if holder is None:
            if not self._access().tokens:
                raise Refused(403, f"This requires a token, and there are none: add admin.tokens, or set {VARIABLE}.")
            raise Refused(401, f"This requires a token that may {need}.")
        if need == "operate" and holder.may != "operate":
            raise Refused(
                403, f"The token of '{holder.name}' may read; this requires one that may operate.", "insufficient_scope"
            )

    def _report(self, scope: Scope, refused: Refused) -> None:
        """Log the refusal, with how many there were since the last report."""
        self._refusals += 1
        now = monotonic()
        if now - self._reported < REPORT_INTERVAL:
            return
        peer = scope["client"][0] if scope.get("client") else ""
        log.warning(
            "the admin API refused a request",
            status=refused.status,
            reason=str(refused),
            method=scope["method"],
            path=scope["path"],
            peer=peer,
            refusals=self._refusals,
        )
        self._reported, self._refusals = now, 0
