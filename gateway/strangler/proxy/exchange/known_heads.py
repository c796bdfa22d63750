"""Header fields that repeat on a connection: recognised by their bytes, and decided once (docs/decisions/0003).

A client that keeps its connection open mostly sends the same fields in every
request. If they are byte for byte those that the parser accepted before on this
connection, they are not parsed again, and the identity of the caller and the
side that serves it are not worked out again: they depend on the fields, the
connection and the route's requirements (`Route.alike`), and not on the target.
A decision holds until the token expires, while the worker's snapshot and keys
are the same (`generation`). The outcome of a random draw is never kept.
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
"""Maximum bytes of fields sent for which a connection remembers more than `REMEMBERED_SENT` decisions."""
REMEMBERED_FIELDS = 8_192
"""Maximum bytes of fields that are remembered; longer ones are parsed each time."""
REMEMBERED_SENT = 4
"""Number of decisions that a connection remembers whatever the size of its fields."""
KNOWN_FIELDS = 8_388_608
"""Maximum bytes of known fields of all connections of a worker; further ones are parsed each time.

They take at most eight times as much memory: as received, as fields, as lines, and as sent on.
"""


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
    """A decision for known fields, and what follows from it for every request with them.

    `ids_alone` tells that each request is sent with these fields and its two ids
    alone, and with its line as received; `nothing_added` that its response gets
    no fields but the gateway's own. `examined` is what the mirror of shadow
    traffic found in these fields, and its own.
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
        """Keep `decision` for the routes that decide alike, unless it is a refusal, was drawn, or is outdated."""
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
        self.decided[NO_ROUTE_ALIKE if route is None else route.alike] = Remembered(
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
