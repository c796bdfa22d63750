"""Decide about a hypothetical request: for `strangler explain`, routing tests and other what-ifs.

The decision is the proxy's own `decide`; only the caller is given instead of
read from a verified token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strangler.auth.certificate import ClientCertificate
from strangler.auth.identity import ClaimsRefused, Identity, identity_of
from strangler.model.auth import AuthRequirement, Provider
from strangler.model.route import NO_ROUTE
from strangler.model.routing_tests import Expectation
from strangler.model.snapshot import Snapshot
from strangler.routing.decide import Decision, Refusal, decide
from strangler.routing.request import Request
from strangler.routing.trust import Forwarding, TrustedProxies, forwarding, plain_address


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A request and the decision about it; `forwarding` is set if a trusted proxy forwards it."""

    request: Request
    decision: Decision
    forwarding: Forwarding | None = None


@dataclass(frozen=True, slots=True)
class Hypothetical:
    """A request from `address` for `target`, path and query as sent.

    If `address` is a trusted proxy's, the headers name the client. `claims` are
    those of a verified token, `certificate` the client's, None for a caller
    without one.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    claims: Mapping[str, Any] | None = None
    address: str = "127.0.0.1"
    certificate: ClientCertificate | None = None


def rehearse(snapshot: Snapshot, asked: Hypothetical) -> Rehearsal:
    """What `snapshot` does with such a request."""
    path, _, query = asked.target.partition("?")
    fields = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in asked.headers]
    host = next((value for name, value in asked.headers if name.lower() == "host"), "localhost")
    proxies, address = TrustedProxies(snapshot.trusted_proxies, snapshot.trusted_header), asked.address
    passed_on = forwarding(proxies, plain_address(address) or address, fields) if address in proxies else None
    client = address if passed_on is None else passed_on.address
    request = Request(asked.method, path, query, host, fields, client, asked.certificate)
    claims = asked.claims

    def identify(_: Request, requirement: AuthRequirement) -> Identity | Refusal | None:
        if claims is None:
            return None
        try:
            return identity_of(claims, provider_of(snapshot, requirement, claims), float("inf"))
        except ClaimsRefused as refused:
            return Refusal(401, str(refused), "invalid_token")

    return Rehearsal(request, decide(snapshot, request, identify), passed_on)


def provider_of(snapshot: Snapshot, requirement: AuthRequirement, claims: Mapping[str, Any]) -> Provider:
    """The provider that issued a token with `claims`: that of its `iss`, without one the first."""
    providers = [snapshot.providers[name] for name in requirement.providers]
    return next((one for one in providers if one.issuer == claims.get("iss")), providers[0])


def differences(expected: Expectation, decision: Decision) -> list[str]:
    """Where `decision` differs from what is `expected`, each as a sentence; empty if it does not."""
    route = decision.route
    actual = {
        "route": NO_ROUTE if route is None and decision.refusal is None else route and route.name,
        "migration": route.migration.name if route is not None and route.migration is not None else None,
        "side": decision.side,
        "upstream": decision.upstream,
        "status": 204 if decision.preflight is not None else decision.refusal and decision.refusal.status,
    }
    sentences = []
    for name, value in actual.items():
        wanted = getattr(expected, name)
        if wanted is not None and wanted != value:
            sentences.append(f"{name} is {value if value is not None else 'none'}, expected {wanted}")
    if decision.refusal is not None and expected.status is None and sentences:
        sentences.append(f"the gateway refuses with {decision.refusal.status}: {decision.refusal.detail}")
    return sentences
