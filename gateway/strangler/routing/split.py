"""Which side of a migration serves this caller.

A caller's bucket is xxHash64 (seed 0) of `MIGRATION:KEY` modulo 10,000, where
KEY is the caller's sticky key. The caller is on the extracted side while the
bucket lies below the threshold, so raising the percentage only ever adds
callers, and every worker, machine and restart agrees; so does an Envoy that
splits by a header with that text (docs/decisions/0026).

What outranks the percentage, strongest first: the override header of a
permitted caller, the `never` list, the `always` list.
"""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from ipaddress import ip_address, ip_network

from xxhash import xxh64_intdigest

from strangler.auth.claims import claim_text
from strangler.auth.identity import Identity
from strangler.model.caller import Condition, StickyKey
from strangler.model.migration import Migration, SideName, Stage
from strangler.routing.request import Request

VISITOR_COOKIE = "strangler_visitor"
BUCKETS = 10_000
REMEMBERED_BUCKETS = 16_384
REMEMBERED_KEY = 128
_VISITOR = re.compile(r"[0-9a-f]{32}")


class Choice:
    """A side, and why: the reason, the bucket and key that it came from, the new visitor id if one was made.

    `drawn` means that the bucket was drawn at random: the same request may get the
    other side next time. `overridden` means that the caller chose the side.
    """

    # Positional parameters instead of an object for them: a choice is made for each request.

    __slots__ = ("_sticky", "bucket", "drawn", "overridden", "reason", "side", "visitor")

    def __init__(
        self,
        side: SideName,
        reason: str,
        bucket: int | None = None,
        sticky: StickyKey | None = None,
        visitor: str | None = None,
        drawn: bool = False,
        overridden: bool = False,
    ) -> None:
        self.side = side
        self.reason = reason
        self.bucket = bucket
        self._sticky = sticky
        self.visitor = visitor
        self.drawn = drawn
        self.overridden = overridden

    @property
    def key(self) -> str | None:
        """The sticky key's name, which few ask for."""
        return None if self._sticky is None else str(self._sticky)


_BY_STAGE: dict[Stage, Choice] = {
    Stage.LEGACY: Choice("legacy", "stage legacy"),
    Stage.SHADOW: Choice("legacy", "stage shadow"),
    Stage.EXTRACTED: Choice("extracted", "stage extracted"),
    Stage.RETIRED: Choice("extracted", "stage retired"),
    Stage.ROLLOUT: Choice("legacy", "stage rollout, and the controller has published no share"),
}


def bucket_of(migration: str, key: str) -> int:
    """The bucket of `key` in `migration`, 0 to 9,999; the same everywhere and for ever."""
    # A client may choose its key, so long ones, which could fill the memory, are not remembered.
    return _remembered_bucket(migration, key) if len(key) <= REMEMBERED_KEY else _bucket(migration, key)


def _bucket(migration: str, key: str) -> int:
    return xxh64_intdigest(f"{migration}:{key}".encode("utf-8", "surrogatepass")) % BUCKETS


_remembered_bucket = lru_cache(REMEMBERED_BUCKETS)(_bucket)


def side_of_bucket(migration: Migration, bucket: int) -> SideName:
    """The side of a caller with this bucket, where no list and no override decides about it."""
    if migration.stage is Stage.CANARY:
        return "extracted" if bucket < migration.threshold else "legacy"
    return _BY_STAGE[migration.stage].side


def choose(migration: Migration, request: Request, identity: Identity | None) -> Choice:
    """The side of `migration` for this request."""
    override = migration.override
    if override is not None and migration.stage is not Stage.RETIRED:
        wanted = request.header(override.header)
        if wanted is not None and holds(override.permitted, request, identity):
            if wanted == "extracted":
                return Choice("extracted", f"override header {override.header}", overridden=True)
            if wanted == "legacy":
                return Choice("legacy", f"override header {override.header}", overridden=True)
    if migration.stage is not Stage.CANARY:
        return _BY_STAGE[migration.stage]
    for condition in migration.never:
        if holds(condition, request, identity):
            return Choice("legacy", f"never {condition}")
    for condition in migration.always:
        if holds(condition, request, identity):
            return Choice("extracted", f"always {condition}")
    return _by_percentage(migration, request, identity)


def _by_percentage(migration: Migration, request: Request, identity: Identity | None) -> Choice:
    for sticky in migration.sticky:
        visitor = None
        value = sticky_value(sticky, request, identity)
        if value is None and sticky.kind == "visitor":
            value = visitor = secrets.token_hex(16)
        if value:
            bucket = bucket_of(migration.name, value)
            side = side_of_bucket(migration, bucket)
            drawn = visitor is not None or sticky.kind == "none"
            return Choice(side, "percentage", bucket, sticky, visitor, drawn)
    return Choice("legacy", "no sticky key present")


def sticky_value(key: StickyKey, request: Request, identity: Identity | None) -> str | None:
    """The value of `key` in this request, None or "" if it has none; a visitor has one once its cookie is set."""
    if key.kind == "claim":
        return _claim(identity, key.name)
    if key.kind == "visitor":
        value = request.cookie(VISITOR_COOKIE)
        return value if value is not None and _VISITOR.fullmatch(value) else None
    return _plain_key(key, request)


def caller_key(migration: Migration, request: Request, identity: Identity | None) -> str:
    """What identifies a caller in shadow evidence: the sticky key, or the address without one."""
    for sticky in migration.sticky:
        value = sticky_value(sticky, request, identity)
        if value:
            return value
    return request.peer


def counted_key(migration: Migration, request: Request, identity: Identity | None, choice: Choice) -> str | None:
    """The sticky key of a caller that a rollout counts: one whose side the hash drew.

    None for a caller without a key of its own, and for one whose side an
    override, `always` or `never` chose, or would choose once callers are split.
    """
    if choice.overridden or choice.drawn:
        return None
    if migration.stage is Stage.CANARY:
        if choice.bucket is None:
            return None
    elif any(holds(condition, request, identity) for condition in (*migration.never, *migration.always)):
        return None
    for sticky in migration.sticky:
        if sticky.kind == "none":
            return None
        value = sticky_value(sticky, request, identity)
        if value:
            return value
    return None


def shadow_bucket(migration: Migration, request: Request, identity: Identity | None) -> int:
    """The bucket by which a caller is shadowed.

    The name is another than the split's, or a share of the callers on one side
    would be all of them, or none.
    """
    return bucket_of(f"shadow of {migration.name}", caller_key(migration, request, identity))


def _claim(identity: Identity | None, name: str) -> str | None:
    if identity is None:
        return None
    if name == "sub":
        return identity.subject
    values = claim_text(identity.claims, name)
    return values[0] if values else None


def _plain_key(sticky: StickyKey, request: Request) -> str | None:
    match sticky.kind:
        case "header":
            return request.header(sticky.name)
        case "cookie":
            return request.cookie(sticky.name)
        case "ip":
            return request.peer
        case "certificate":
            return request.certificate.name if request.certificate is not None else None
        case _:
            return secrets.token_hex(8)


def holds(condition: Condition, request: Request, identity: Identity | None) -> bool:
    """Whether `condition` is true of the request and its verified caller."""
    match condition.kind:
        case "claim":
            values = claim_text(identity.claims, condition.name) if identity else ()
        case "scope":
            return identity is not None and condition.name in identity.scopes
        case "certificate":
            values = request.certificate.values(condition.name) if request.certificate is not None else ()
        case "header":
            values = tuple(request.header_values(condition.name))
        case "cookie":
            cookie = request.cookie(condition.name)
            values = () if cookie is None else (cookie,)
        case "ip":
            return _is_within(request.peer, condition.name)
    return bool(values) if condition.value is None else condition.value in values


@lru_cache(maxsize=4096)
def _is_within(peer: str, network: str) -> bool:
    """Whether the address of `peer` is `network`, an address or a CIDR block, or lies in it.

    An IPv4 client of an IPv6 socket counts as what it is (RFC 4291 section
    2.5.5.2). A peer without an address is nowhere.
    """
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address) in ip_network(network)
