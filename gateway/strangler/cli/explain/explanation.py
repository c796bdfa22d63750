"""What becomes of one request, and why: computed without I/O; `--json` and the text for people both print this.

The names of the fields are those of the JSON, which is a contract.
"""

from __future__ import annotations

from dataclasses import dataclass

from strangler.cli.explain.policies import Policies, policies
from strangler.model.migration import SideName, Stage
from strangler.model.route import NO_ROUTE, Route
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.transforms import added_to_request
from strangler.proxy.http.headers import (
    VIA_LINE,
    forwarded_element,
    forwarded_host_line,
    forwarded_lines,
    forwarding_lines,
    own_forwarded_line,
)
from strangler.routing.cors import response_fields
from strangler.routing.decide import Decision
from strangler.routing.explain import candidates, described
from strangler.routing.rehearse import Rehearsal
from strangler.routing.rewrite import inner_path
from strangler.routing.split import VISITOR_COOKIE

NEW = "(a new one)"
"""In place of a value that the gateway makes up for each request."""


@dataclass(frozen=True, slots=True)
class OwnResponse:
    """A response that the gateway gives itself."""

    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class OtherRoute:
    """A route that was not chosen, and why."""

    route: str
    match: str
    reason: str


@dataclass(frozen=True, slots=True)
class MigrationPart:
    """The route's migration, and why its side was chosen; `bucket` and `threshold` are of 10,000."""

    name: str
    stage: str
    percent: float | None
    reason: str | None
    sticky: str | None
    bucket: int | None
    threshold: int | None


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """The header fields that are added and removed on the way; lines of `NAME: VALUE`, and names."""

    request_added: list[str]
    request_removed: list[str]
    response_added: list[str]
    response_removed: list[str]


NO_HEADERS = HeaderPart([], [], [], [])


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a request.

    Either `refused` or `answered` is set, or `upstream` names who serves it.
    `route` is None where the request is refused before a route is found. `sent`
    is the target that the upstream gets where the route rewrites it.
    """

    request: str
    route: str | None
    match: str | None
    source: str | None
    caller: str | None
    migration: MigrationPart | None
    side: SideName | None
    upstream: str | None
    sent: str | None
    endpoints: list[str]
    policies: Policies | None
    request_headers_added: list[str]
    request_headers_removed: list[str]
    response_headers_added: list[str]
    response_headers_removed: list[str]
    refused: OwnResponse | None
    answered: OwnResponse | None
    others: list[OtherRoute]


def explanation_of(snapshot: Snapshot, rehearsal: Rehearsal, asked: str) -> Explanation:
    """What `snapshot` does with the rehearsed request, which was `asked` for as METHOD TARGET."""
    request, decision = rehearsal.request, rehearsal.decision
    route, refusal = decision.route, decision.refusal
    served = decision.upstream is not None
    headers = _headers(snapshot, rehearsal)
    rewrite = None if decision.changes is None else decision.changes.rewrite
    query = f"?{request.query}" if request.query else ""
    return Explanation(
        request=asked,
        route=route.name if route is not None else (NO_ROUTE if refusal is None else None),
        match=None if route is None else described(route),
        source=None if route is None else str(route.source),
        caller=None if decision.identity is None else decision.identity.subject,
        migration=None if route is None else _migration(route, decision),
        side=decision.side,
        upstream=decision.upstream,
        sent=inner_path(rewrite, request.path) + query if rewrite is not None else None,
        endpoints=[one.url for one in snapshot.upstreams[decision.upstream].endpoints] if decision.upstream else [],
        policies=policies(snapshot, decision, request.method) if served else None,
        request_headers_added=headers.request_added,
        request_headers_removed=headers.request_removed,
        response_headers_added=headers.response_added,
        response_headers_removed=headers.response_removed,
        refused=None if refusal is None else OwnResponse(refusal.status, refusal.detail),
        answered=None if decision.preflight is None else OwnResponse(204, "a preflight, by the route's 'cors'"),
        others=[
            OtherRoute(candidate.route.name, described(candidate.route), candidate.reason)
            for candidate in candidates(snapshot, request, route)
            if not candidate.chosen
        ],
    )


def _migration(route: Route, decision: Decision) -> MigrationPart | None:
    migration, choice = route.migration, decision.choice
    if migration is None:
        return None
    canary = migration.stage is Stage.CANARY
    return MigrationPart(
        name=migration.name,
        stage=str(migration.stage),
        percent=migration.threshold / 100 if canary else None,
        reason=None if choice is None else choice.reason,
        sticky=None if choice is None else choice.key,
        bucket=None if choice is None else choice.bucket,
        threshold=migration.threshold if canary else None,
    )


def _headers(snapshot: Snapshot, rehearsal: Rehearsal) -> HeaderPart:
    """What the gateway, then what the route adds and removes."""
    request, decision = rehearsal.request, rehearsal.decision
    if decision.preflight is not None:
        return HeaderPart([], [], decision.preflight.decode("latin-1").splitlines(), [])
    if decision.upstream is None:
        return NO_HEADERS
    identity, changes, choice = decision.identity, decision.changes, decision.choice
    new = [f"{name}: {NEW}" for name in ("X-Request-Id", "traceparent") if request.header(name) is None]
    request_added = [*_own_lines(snapshot, rehearsal).decode("ascii").splitlines(), *new]
    request_removed: list[str] = []
    if identity is not None and not snapshot.providers[identity.provider].forward_token:
        request_removed.append("Authorization")
    response_added: list[str] = []
    response_removed: list[str] = []
    if changes is not None:
        request_added += added_to_request(changes, request.headers).decode("latin-1").splitlines()
        if changes.endpoint_host:
            request_added.append("Host: (the endpoint's)")
        request_removed += sorted(name.decode("ascii") for name in changes.request.removed)
        lines = changes.response.added + (b"" if changes.cors is None else response_fields(changes.cors, request))
        response_added += lines.decode("latin-1").splitlines()
        response_removed += sorted(name.decode("ascii") for name in changes.response.removed)
    if choice is not None and choice.visitor is not None:
        response_added.append(f"Set-Cookie: {VISITOR_COOKIE}={NEW}")
    return HeaderPart(request_added, request_removed, response_added, response_removed)


def _own_lines(snapshot: Snapshot, rehearsal: Rehearsal) -> bytes:
    """The gateway's own request fields: where the request came from, who the caller is, and Via."""
    request, identity = rehearsal.request, rehearsal.decision.identity
    scheme = "http" if snapshot.tls is None else "https"
    if rehearsal.forwarding is not None:
        lines = forwarding_lines(rehearsal.forwarding, scheme, request.host)
    else:
        lines = forwarded_lines(request.peer, scheme) + forwarded_host_line(request.host, scheme == "https")
        if snapshot.trusted_header == "Forwarded":
            lines += own_forwarded_line(forwarded_element(request.peer, scheme), request.host)
    if request.certificate is not None:
        lines += request.certificate.header_line
    if identity is not None:
        lines += identity.header_lines
    return lines + VIA_LINE
