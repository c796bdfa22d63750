"""decide(snapshot, request, identify) → Decision: the one place where it is decided what happens to a request.

The proxy, `strangler explain` and the routing tests of the YAML call this
same function. It does no I/O and keeps no state. How a caller is identified is
passed in, because the proxy verifies a token and `explain` is given the claims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from strangler.auth.identity import Identity
from strangler.auth.require import missing, missing_certificate
from strangler.model.auth import AuthRequirement
from strangler.model.changes import Changes
from strangler.model.folding import EXACT, folded
from strangler.model.migration import SideName
from strangler.model.route import Route
from strangler.model.route_index import Accepts, RouteIndex
from strangler.model.snapshot import Snapshot
from strangler.routing.conditions import InDoubt, header_holds, query_holds
from strangler.routing.cors import asked_method, preflight_fields
from strangler.routing.readings import PathError, is_plain, readings
from strangler.routing.request import Request
from strangler.routing.rewrite import is_cut_alike
from strangler.routing.split import Choice, choose


class Refusal:
    """The gateway refuses a request: an HTTP status and the detail of a problem document.

    `error` and `scopes` go into WWW-Authenticate (RFC 6750) where the status
    is 401 or 403.
    """

    __slots__ = ("detail", "error", "scopes", "status")

    def __init__(self, status: int, detail: str, error: str = "", scopes: tuple[str, ...] = ()) -> None:
        self.status = status
        self.detail = detail
        self.error = error
        self.scopes = scopes


class Decision:
    """What the snapshot decides about one request.

    Either `refusal` is set, or `preflight` holds the fields of the gateway's own
    response, or `upstream` serves the request. Only a route of a migration has
    `side` and `choice`. `changes` are made on the way to `upstream` and back.
    """

    # Positional parameters instead of an object for them: a decision is made for each request.

    __slots__ = ("changes", "choice", "identity", "preflight", "refusal", "route", "side", "upstream")

    def __init__(
        self,
        route: Route | None,
        upstream: str | None = None,
        side: SideName | None = None,
        identity: Identity | None = None,
        choice: Choice | None = None,
        refusal: Refusal | None = None,
        changes: Changes | None = None,
        preflight: bytes | None = None,
    ) -> None:
        self.changes = changes
        self.preflight = preflight
        self.route = route
        self.upstream = upstream
        self.side = side
        self.identity = identity
        self.choice = choice
        self.refusal = refusal


Identify = Callable[[Request, AuthRequirement], Identity | Refusal | None]
"""Who is calling: an Identity, None for an anonymous caller, or why the caller is refused."""


def decide(snapshot: Snapshot, request: Request, identify: Identify) -> Decision:
    """What becomes of `request` under `snapshot`; whatever `identify` raises passes through."""
    if request.method == "OPTIONS":
        answered = _preflight(snapshot, request)
        if answered is not None:
            return answered
    route = find_route(snapshot, request)
    if isinstance(route, Refusal):
        return Decision(None, refusal=route)
    if route is None:
        if snapshot.default is None:
            return Decision(None, refusal=Refusal(404, "No route matches this request."))
        return Decision(None, snapshot.default, changes=snapshot.default_changes)
    identity = None
    requirement = route.auth
    if requirement is not None:
        if requirement.certificate is not None:
            lacking = missing_certificate(requirement, request.certificate)
            if lacking is not None:
                return Decision(route, refusal=Refusal(403, lacking))
        if requirement.providers:
            who = identify(request, requirement)
            if isinstance(who, Refusal):
                return Decision(route, refusal=who)
            refusal = check(requirement, who)
            if refusal is not None:
                return Decision(route, identity=who, refusal=refusal)
            identity = who
    migration = route.migration
    if migration is None:
        changes = route.changes_for(route.upstream)
        return _sent(request, Decision(route, route.upstream, None, identity, changes=changes))
    choice = choose(migration, request, identity)
    upstream = migration.extracted if choice.side == "extracted" else migration.legacy
    return _sent(request, Decision(route, upstream, choice.side, identity, choice, changes=route.changes_for(upstream)))


def _sent(request: Request, decision: Decision) -> Decision:
    """`decision`, unless it would rewrite a path that could be read in another way than it is cut up."""
    changes = decision.changes
    if changes is None or changes.rewrite is None or is_cut_alike(request.path):
        return decision
    refusal = Refusal(400, "The path is ambiguous on a rewritten route; send its normal form.")
    return Decision(decision.route, None, decision.side, decision.identity, decision.choice, refusal)


def _preflight(snapshot: Snapshot, request: Request) -> Decision | None:
    """The response to a preflight, if the route that it is about has a CORS policy."""
    method = asked_method(request)
    if method is None:
        return None
    asked = Request(method, request.path, request.query, request.host, request.headers, request.peer)
    route = find_route(snapshot, asked)
    if isinstance(route, Refusal) or route is None or route.cors is None:
        return None
    fields = preflight_fields(route.cors, request, method)
    if isinstance(fields, str):
        return Decision(route, refusal=Refusal(403, fields))
    return Decision(route, preflight=fields)


def check(requirement: AuthRequirement, identity: Identity | None) -> Refusal | None:
    """Why `identity` does not satisfy `requirement`, or None if it does."""
    if identity is None:
        if requirement.required:
            return Refusal(401, "This route requires a bearer token.")
        return None
    if not requirement.scopes and not requirement.claims:
        return None
    lacking = missing(requirement, identity)
    if lacking is None:
        return None
    return Refusal(403, lacking, "insufficient_scope", tuple(sorted(requirement.scopes)))


def find_route(snapshot: Snapshot, request: Request, accepts: Accepts[Request] | None = None) -> Route | Refusal | None:
    """The best route for `request`, None if none matches, or a refusal where readings of the request differ in that.

    `accepts` tests the conditions of a route besides host and path; the default is `_accepts`.
    """
    index = snapshot.index
    host = host_name(request.host) if index.has_hosts else ""
    path = request.path
    if accepts is None:
        accepts = _accepts
    try:
        if is_plain(path):
            segments = path.split("/")
            del segments[0]
            route = index.find(host, segments, accepts, request)
            if snapshot.folded is None:
                return route
            return _folded(snapshot, snapshot.folded, host, segments, request, route, accepts)
        as_sent, *others = readings(path)
        route = _read(snapshot, host, as_sent, request, accepts)
        for reading in others:
            if _read(snapshot, host, reading, request, accepts) is not route:
                return Refusal(
                    400, "The path matches different routes as sent and in its normal form; send its normal form."
                )
    except PathError as error:
        return Refusal(400, str(error))
    except InDoubt as doubt:
        return _settled(snapshot, request, doubt)
    return route


def _settled(snapshot: Snapshot, request: Request, doubt: InDoubt) -> Route | Refusal | None:
    """The route of a request with a condition in doubt: the most specific of those that require authentication.

    Whichever route the upstream's reading of the request leads to, the caller has
    then satisfied its requirement. If two of the routes have different requirements,
    the request is refused.
    """
    possible: dict[int, Route] = {}
    surely = find_route(snapshot, request, partial(_accepts_surely, possible))
    if isinstance(surely, Refusal):
        return surely
    candidates = [*possible.values(), surely]
    asked = {route.auth for route in candidates if route is not None and route.auth is not None}
    if len(asked) > 1:
        return Refusal(
            400, f"The request has more than one value for {doubt.what}, which determines its route; send one."
        )
    return next(route for route in candidates if not asked or (route is not None and route.auth is not None))


def _read(
    snapshot: Snapshot, host: str, segments: Sequence[str], request: Request, accepts: Accepts[Request]
) -> Route | None:
    """The best route for one reading of the path."""
    route = snapshot.index.find(host, segments, accepts, request)
    if snapshot.folded is None:
        return route
    return _folded(snapshot, snapshot.folded, host, segments, request, route, accepts)


def _folded(
    snapshot: Snapshot,
    indexes: Mapping[int, RouteIndex],
    host: str,
    segments: Sequence[str],
    request: Request,
    route: Route | None,
    accepts: Accepts[Request],
) -> Route | None:
    """The route for the path as the upstreams of `route` read it, which was found for the path as it is.

    Positional parameters instead of an object for them: this is called for each request.
    """
    done = EXACT
    while folding := done | (snapshot.default_folding if route is None else route.folding):
        if folding == done:
            break
        done = folding
        route = indexes[folding].find(host, folded(segments, folding), accepts, request)
    return route


def _accepts(route: Route, request: Request) -> bool:
    """Whether the conditions of `route` beside host and path hold; raises InDoubt."""
    if route.methods and request.method not in route.methods:
        return False
    if route.headers or route.query:
        return _conditions_hold(route, request)
    return True


def _conditions_hold(route: Route, request: Request) -> bool:
    """Whether all header and query conditions hold; raises InDoubt where that depends on one in doubt."""
    doubt = ""
    for condition in route.headers:
        holds = header_holds(condition, request)
        if holds is None:
            doubt = f"the header {condition.name}"
        elif not holds:
            return False
    for condition in route.query:
        holds = query_holds(condition, request)
        if holds is None:
            doubt = f"the query parameter {condition.name}"
        elif not holds:
            return False
    if doubt:
        raise InDoubt(doubt)
    return True


def _accepts_surely(possible: dict[int, Route], route: Route, request: Request) -> bool:
    """Whether no condition of `route` fails or is in doubt; one with conditions in doubt is added to `possible`."""
    try:
        return _accepts(route, request)
    except InDoubt:
        possible[route.number] = route
        return False


def host_name(host: str) -> str:
    """The name in a Host header's value: lower case, without port or trailing dot."""
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.partition(":")[0].rstrip(".").lower()
