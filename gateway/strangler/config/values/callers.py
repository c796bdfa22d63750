"""Rules about callers: sticky keys, conditions, scopes, names in certificates, places of tokens."""

from __future__ import annotations

import re

from strangler.config.text.problems import described, suggestion
from strangler.config.values.hosts import parse_network
from strangler.config.values.http_syntax import TOKEN
from strangler.model.auth import TokenPlace
from strangler.model.caller import Condition, StickyKey

CERTIFICATE_NAMES = ("subject", "dns", "uri")
KUBERNETES_SUBPROTOCOL = "base64url.bearer.authorization.k8s.io"
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_PLACE = re.compile(r"[A-Za-z0-9._~-]+")


def parse_sticky(value: object) -> StickyKey:
    """`claim:NAME`, `header:NAME`, `cookie:NAME`, `certificate`, `ip`, `visitor` or `none`."""
    if not isinstance(value, str):
        raise ValueError(f"expected a sticky key such as claim:sub, found {described(value)}")
    kind, colon, name = value.partition(":")
    match kind, bool(colon):
        case (("claim" | "header" | "cookie"), True):
            return StickyKey(kind, _field_name(kind, name))
        case (("certificate" | "ip" | "visitor" | "none"), False):
            return StickyKey(kind)
        case _:
            known = ("claim:NAME", "header:NAME", "cookie:NAME", "certificate", "ip", "visitor", "none")
            raise ValueError(f"'{value}' is not a sticky key; use {' | '.join(known)}")


def parse_limit_key(value: object) -> StickyKey:
    """What a rate limit counts by: a sticky key that a client can't have anew at will."""
    key = parse_sticky(value)
    if key.kind in ("visitor", "none"):
        raise ValueError(
            f"'{value}' would limit no caller: each can get a new one at will; without `key`, all callers share"
            " one limit"
        )
    return key


def parse_condition(value: object) -> Condition:
    """`claim:NAME=VALUE`, `scope:NAME`, `certificate:NAME=VALUE`, `header:…`, `cookie:NAME=VALUE` or `ip:ADDRESS`."""
    if not isinstance(value, str):
        raise ValueError(f"expected a condition such as claim:tenant=acme, found {described(value)}")
    kind, colon, rest = value.partition(":")
    if colon:
        name, equals, wanted = rest.partition("=")
        match kind:
            case "claim" | "header" | "cookie":
                return Condition(kind, _field_name(kind, name), wanted if equals else None)
            case "scope":
                return Condition("scope", parse_scope(rest))
            case "certificate":
                return Condition("certificate", parse_certificate_name(name), wanted if equals else None)
            case "ip":
                return Condition("ip", parse_network(rest))
    hint = suggestion(kind, ("claim", "scope", "certificate", "header", "cookie", "ip"))
    raise ValueError(
        f"'{value}' is not a condition; use claim:NAME=VALUE, scope:NAME, certificate:NAME=VALUE,"
        " header:NAME=VALUE, cookie:NAME=VALUE or ip:ADDRESS" + (f"; {hint}" if hint else "")
    )


def parse_permission(value: object) -> Condition:
    """A condition that a client can't forge: `claim:NAME=VALUE`, `scope:NAME` or `certificate:NAME=VALUE`."""
    condition = parse_condition(value)
    if condition.kind not in ("claim", "scope", "certificate"):
        raise ValueError(
            "only a claim, a scope or a certificate can permit this: a client chooses its headers and cookies"
        )
    return condition


def _field_name(kind: str, name: str) -> str:
    if not name:
        raise ValueError(f"'{kind}:' requires a name")
    if kind != "claim" and TOKEN.fullmatch(name) is None:
        raise ValueError(f"'{name}' is not a valid {kind} name")
    return name


def parse_certificate_name(name: object) -> str:
    """What a rule may ask of a client certificate: `subject`, or its alternative names by kind, `dns` or `uri`."""
    if name not in CERTIFICATE_NAMES:
        known = " | ".join(CERTIFICATE_NAMES)
        raise ValueError(f"unknown certificate field {described(name)}; use {known}")
    return str(name)


def parse_scope(value: object) -> str:
    """A scope (RFC 6749 section 3.3): without spaces, which separate scopes."""
    if not isinstance(value, str):
        raise ValueError(f"expected a scope such as orders:read, found {described(value)}")
    if _SCOPE.fullmatch(value) is None:
        raise ValueError(f"'{value}' is not a single scope; list several as [a, b]")
    return str(value)


def parse_token_place(value: object) -> TokenPlace:
    """`query:NAME`, `subprotocol:NAME`, `subprotocol-pair:NAME` or `kubernetes`."""
    if isinstance(value, str):
        if value == "kubernetes":
            return TokenPlace("kubernetes", KUBERNETES_SUBPROTOCOL)
        kind, _, name = value.partition(":")
        match kind:
            case "query" | "subprotocol" | "subprotocol-pair" if _PLACE.fullmatch(name):
                return TokenPlace(kind, name)
    raise ValueError(
        f"expected query:NAME, subprotocol:NAME, subprotocol-pair:NAME or kubernetes, found {described(value)}"
    )
