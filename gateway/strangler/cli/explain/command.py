"""`strangler explain`: what becomes of one request, and why."""

from __future__ import annotations

import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson

from strangler.auth.certificate import ClientCertificate, certificate_from
from strangler.cli.claims import parse_claims
from strangler.cli.explain.policies import policies, policy_lines
from strangler.cli.validate import print_problems
from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.config.values.callers import CERTIFICATE_NAMES
from strangler.config.values.http_syntax import parse_header_name, parse_method
from strangler.model.migration import Stage
from strangler.model.route import NO_ROUTE
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.transforms import added_to_request
from strangler.proxy.http.headers import (
    VIA_LINE,
    forwarded_element,
    forwarded_host_line,
    forwarded_lines,
    forwarding_lines,
    is_host,
    own_forwarded_line,
)
from strangler.routing.cors import response_fields
from strangler.routing.decide import Decision
from strangler.routing.explain import described, verdicts
from strangler.routing.rehearse import Rehearsal, rehearse
from strangler.routing.request import Request
from strangler.routing.rewrite import inner_path
from strangler.routing.split import VISITOR_COOKIE

_SHOWN = 12
_TARGET = re.compile(r"[!\"$-~]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def explain_request(
    config: Path,
    method: str,
    target: str,
    headers: list[str],
    claims: list[str],
    certificate: list[str],
    address: str,
    as_json: bool,
) -> int:
    """Print the explanation; 1 where the gateway would refuse the request, 2 for a request that can't be one."""
    try:
        given = parse_claims(claims) if claims else None
        fields = [_header(text) for text in headers]
        parse_method(method)
        ip_address(address)
        shown = _certificate(certificate) if certificate else None
        if not target.startswith("/"):
            raise ValueError(f"the path {target!r} must start with '/'")
        if _TARGET.fullmatch(target) is None:
            raise ValueError(f"the path {target!r} must be percent-encoded and without a fragment, as clients send it")
    except ValueError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2
    try:
        snapshot = load(config).snapshot
    except ConfigurationError as error:
        print_problems(error)
        return 1
    rehearsal = rehearse(snapshot, method, target, fields, given, address, shown)
    explanation = _explanation(snapshot, rehearsal, f"{method} {target}")
    if as_json:
        print(orjson.dumps(explanation, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(explanation)
    return 0 if rehearsal.decision.refusal is None else 1


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name:
        raise ValueError(f"-H {text!r} is not 'NAME: VALUE'")
    parse_header_name(name)
    if name.lower() == "authorization":
        raise ValueError("a token is not verified here: say whose it is with --claim, such as --claim sub=user-17")
    if _CONTROL.search(value) is not None or (name.lower() == "host" and not is_host(value.encode("utf-8"))):
        raise ValueError(f"-H {text!r} holds a value that no gateway accepts")
    return name, value


def _certificate(written: list[str]) -> ClientCertificate:
    values: dict[str, tuple[str, ...]] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or name not in CERTIFICATE_NAMES:
            raise ValueError(f"--certificate {text!r} is not NAME=VALUE with a NAME of {', '.join(CERTIFICATE_NAMES)}")
        values[name] = (*values.get(name, ()), value)
    return certificate_from(values)


def _explanation(snapshot: Snapshot, rehearsal: Rehearsal, asked: str) -> dict[str, Any]:
    request, decision = rehearsal.request, rehearsal.decision
    route, choice, refusal = decision.route, decision.choice, decision.refusal
    explanation: dict[str, Any] = {
        "request": asked,
        "route": route.name if route is not None else (NO_ROUTE if refusal is None else None),
        "match": described(route) if route is not None else None,
        "source": str(route.source) if route is not None else None,
        "caller": decision.identity.subject if decision.identity is not None else None,
        "migration": None,
        "side": decision.side,
        "upstream": decision.upstream,
        "sent": None,
        "endpoints": [],
        "policies": None,
        "request_headers_added": [],
        "request_headers_removed": [],
        "response_headers_added": [],
        "response_headers_removed": [],
        "refused": None,
        "answered": None,
        "others": [
            {"route": verdict.route.name, "match": described(verdict.route), "reason": verdict.reason}
            for verdict in verdicts(snapshot, request, route)
            if not verdict.chosen
        ],
    }
    migration = route.migration if route is not None else None
    if migration is not None:
        explanation["migration"] = {
            "name": migration.name,
            "stage": str(migration.stage),
            "percent": migration.threshold / 100 if migration.stage is Stage.CANARY else None,
            "reason": choice.reason if choice is not None else None,
            "sticky": choice.key if choice is not None else None,
            "bucket": choice.bucket if choice is not None else None,
            "threshold": migration.threshold if migration.stage is Stage.CANARY else None,
        }
    if refusal is not None:
        explanation["refused"] = {"status": refusal.status, "detail": refusal.detail}
        return explanation
    if decision.preflight is not None:
        explanation["answered"] = {"status": 204, "detail": "a preflight, by the route's 'cors'"}
        explanation["response_headers_added"] = decision.preflight.decode("latin-1").splitlines()
        return explanation
    assert decision.upstream is not None
    explanation["endpoints"] = [endpoint.url for endpoint in snapshot.upstreams[decision.upstream].endpoints]
    explanation["policies"] = policies(snapshot, decision, request.method)
    scheme = "http" if snapshot.tls is None else "https"
    if rehearsal.forwarding is not None:
        added = forwarding_lines(rehearsal.forwarding, scheme, request.host)
    else:
        added = forwarded_lines(request.peer, scheme) + forwarded_host_line(request.host, scheme == "https")
        if snapshot.trusted_header == "Forwarded":
            added += own_forwarded_line(forwarded_element(request.peer, scheme), request.host)
    if request.certificate is not None:
        added += request.certificate.header_line
    if decision.identity is not None:
        added += decision.identity.header_lines
        if not snapshot.providers[decision.identity.provider].forward_token:
            explanation["request_headers_removed"] = ["Authorization"]
    explanation["request_headers_added"] = [
        *(added + VIA_LINE).decode("ascii").splitlines(),
        *(f"{name}: (a new one)" for name in ("X-Request-Id", "traceparent") if request.header(name) is None),
    ]
    _add_changes(explanation, decision, request)
    if choice is not None and choice.visitor is not None:
        explanation["response_headers_added"] += [f"Set-Cookie: {VISITOR_COOKIE}=(a new one)"]
    return explanation


def _add_changes(explanation: dict[str, Any], decision: Decision, request: Request) -> None:
    """What the route changes on the way."""
    changes = decision.changes
    if changes is None:
        return
    if changes.rewrite is not None:
        query = f"?{request.query}" if request.query else ""
        explanation["sent"] = inner_path(changes.rewrite, request.path) + query
    explanation["request_headers_removed"] += sorted(name.decode("ascii") for name in changes.request.removed)
    fields = added_to_request(changes, request.headers).decode("latin-1").splitlines()
    if changes.endpoint_host:
        fields.append("Host: (the endpoint's)")
    explanation["request_headers_added"] += fields
    answered = changes.response.added + (b"" if changes.cors is None else response_fields(changes.cors, request))
    explanation["response_headers_added"] += answered.decode("latin-1").splitlines()
    explanation["response_headers_removed"] = sorted(name.decode("ascii") for name in changes.response.removed)


def _print(explanation: dict[str, Any]) -> None:
    print(explanation["request"])
    if explanation["route"] == NO_ROUTE and explanation["match"] is None:
        _line("route", "none matches: the default upstream answers")
    elif explanation["match"] is not None:
        _line("route", f"{explanation['route']}  ({explanation['match']})  at {explanation['source']}")
    _line("caller", explanation["caller"] or "anonymous")
    migration = explanation["migration"]
    if migration is not None:
        percent = f" at {migration['percent']:g} %" if migration["percent"] is not None else ""
        _line("migration", f"{migration['name']}, stage {migration['stage']}{percent}")
    if explanation["side"] is not None:
        _line("side", f"{explanation['side']}: {_why(explanation)}")
    if explanation["refused"] is not None:
        _line("refused", f"{explanation['refused']['status']} {explanation['refused']['detail']}")
    elif explanation["answered"] is not None:
        _line("answered", f"{explanation['answered']['status']} {explanation['answered']['detail']}")
    else:
        _line("upstream", f"{explanation['upstream']}  ({', '.join(explanation['endpoints'])})")
    if explanation["sent"] is not None:
        _line("sent as", explanation["sent"])
    for title, said in policy_lines(explanation["policies"]) if explanation["policies"] is not None else ():
        _line(title, said)
    _lines("added", explanation["request_headers_added"])
    _lines("removed", explanation["request_headers_removed"])
    _lines("answer", explanation["response_headers_added"])
    _lines("less", explanation["response_headers_removed"])
    others = explanation["others"]
    _lines("others", [f"{other['route']}: {other['reason']}" for other in others[:_SHOWN]])
    if len(others) > _SHOWN:
        _line("", f"and {len(others) - _SHOWN} more (--json shows all)")


def _why(explanation: dict[str, Any]) -> str:
    migration = explanation["migration"]
    if migration["bucket"] is None:
        return str(migration["reason"])
    below = "is" if explanation["side"] == "extracted" else "is not"
    return f"bucket {migration['bucket']} by {migration['sticky']} {below} below {migration['threshold']} of 10000"


def _lines(title: str, values: list[str]) -> None:
    for number, value in enumerate(values):
        _line(title if number == 0 else "", value)


def _line(title: str, value: str) -> None:
    print(f"  {title:<10} {value}")
