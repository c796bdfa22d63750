"""Header fields that one client sends again and again: recognised by their bytes, decided about once.

A client that keeps its connection mostly sends the same fields in every
request. A head whose fields are byte for byte those that the parser accepted
before on this connection means the same again, so it is not parsed again. Nor
is who calls, and which side serves the caller, worked out again: that depends
on the fields, the connection and what the route asks (`Route.alike`), and not
on the target. It holds until the token expires, and while the worker's snapshot
and keys are the same (`generation`). What came of a random draw is never kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strangler.model.route import NO_ROUTE_ALIKE
from strangler.observe.access_log import caller_text
from strangler.routing.decide import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strangler.model.changes import Changes
    from strangler.model.snapshot import Snapshot
    from strangler.proxy.exchange.request_head import RequestHead
    from strangler.proxy.upstream.upstream_pool import UpstreamPool

REMEMBERED_DECISIONS = 16
REMEMBERED_BYTES = 8_192
"""More than four decisions of one connection are remembered where what is sent by them has no more bytes than this."""
REMEMBERED_FIELDS = 8_192
"""Longer fields are parsed anew each time."""
REMEMBERED_SENT = 4
"""What is remembered of one connection's decisions holds no more than so many times its fields."""
KNOWN_FIELDS = 8_388_608
"""Known fields of all connections of a worker have no more bytes than this; further ones are parsed each time.

What is held for them is eight times that at the most: as received, as fields, as lines, and as sent on.
"""
NO_ROUTE = NO_ROUTE_ALIKE


class Decider(Protocol):
    """The worker whose snapshot and keys decide."""

    @property
    def generation(self) -> int: ...

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def pools(self) -> Mapping[str, UpstreamPool]: ...


class Sender(Protocol):
    """The client connection that the fields came over: `forwarded` and `forwarded_element` describe it."""

    @property
    def peer(self) -> str: ...

    @property
    def forwarded(self) -> bytes: ...

    @property
    def forwarded_element(self) -> str: ...

    @property
    def plane(self) -> Decider: ...


class Remembered:
    """What was decided for known fields, and what follows from it for every request with them.

    `ids_alone` tells that the fields of each request are these and its two ids,
    and that its line goes on as it came; `nothing_added` that its answer goes on
    with nothing but the gateway's own fields. `examined` is what the mirror of
    shadow traffic found in these fields, and its own.
    """

    __slots__ = ("decision", "examined", "fields", "ids_alone", "logged", "nothing_added", "pool")

    def __init__(
        self,
        decision: Decision,
        pool: UpstreamPool,
        fields: bytes,
        logged: str,
        *,
        ids_alone: bool,
        nothing_added: bool,
    ) -> None:
        self.decision = decision
        self.examined: object = None
        self.pool = pool
        self.fields = fields
        self.logged = logged
        self.ids_alone = ids_alone
        self.nothing_added = nothing_added


class KnownFields:
    """Fields that this connection's parser has accepted: their bytes, what they mean, what was decided."""

    __slots__ = ("decided", "generation", "head", "received")

    def __init__(self, received: bytes, head: RequestHead, generation: int) -> None:
        self.received = received
        self.head = head
        self.generation = generation
        self.decided: dict[int, Remembered] = {}

    def remember(self, decision: Decision, client: Sender) -> None:
        """Keep `decision` for the routes that decide alike, unless it refuses, was drawn, or is outdated by now."""
        route, upstream, choice = decision.route, decision.upstream, decision.choice
        plane = client.plane
        if upstream is None or self.generation != plane.generation:
            return
        if choice is not None and choice.drawn:
            return
        head, changes, identity = self.head, decision.changes, decision.identity
        fields = fields_sent(head, client, decision, changes)
        held = len(self.decided)
        if held >= REMEMBERED_SENT and (held >= REMEMBERED_DECISIONS or held * len(fields) > REMEMBERED_BYTES):
            self.decided.clear()
        ids_alone = bool(head.host) and head.request_id is None and not head.has_trace
        if changes is not None and (changes.rewrite is not None or changes.endpoint_host):
            ids_alone = False
        self.decided[NO_ROUTE if route is None else route.alike] = Remembered(
            decision,
            plane.pools[upstream],
            fields,
            caller_text(head.client or client.peer, head.host or "", decision.side or "", upstream, identity),
            ids_alone=ids_alone,
            nothing_added=changes is None and head.minor == 1 and (choice is None or choice.visitor is None),
        )


def fields_sent(head: RequestHead, client: Sender, decision: Decision, changes: Changes | None) -> bytes:
    """The header fields of `head` as the upstream gets them after `changes`, but those of one request alone."""
    identity = decision.identity
    keep_token = identity is None
    if identity is not None:
        # A reload may have taken the provider away since the decision.
        provider = client.plane.snapshot.providers.get(identity.provider)
        keep_token = provider is not None and provider.forward_token
    return head.sent(client.forwarded, identity, keep_token, changes, client.forwarded_element)
