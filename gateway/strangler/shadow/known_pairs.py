"""Known pairs of responses, which the shadow is tested with while it runs.

A comparison that finds nothing wrong may compare nothing: a rule
that hides everything, a judge that is behind, a store that loses writes. So
pairs of which it is known what they must come to go the way of all others,
from a worker through the copy's connection, the judge, the rules and the store,
and are looked up there. While they don't come out right, nothing is proven.

A worker sends the copies; the judge's process has two small servers that stand
for the two sides, because a mismatch is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

PATH = b"/.strangler/self-test/"

_HEAD = b"Content-Type: application/json\r\n"
_BODY = b'{"self_test":{"name":"known pair","count":3}}'


@dataclass(frozen=True, slots=True)
class KnownPair:
    """Two responses and what they must come to."""

    kind: str
    expected: Literal["match", "mismatch"]
    candidate_status: int = 200
    candidate_body: bytes = _BODY

    @property
    def request(self) -> bytes:
        """The copy, which is the request for it."""
        return b"GET %b%b HTTP/1.1\r\nHost: self-test\r\nX-Shadow: 1\r\n\r\n" % (PATH, self.kind.encode())

    @property
    def legacy(self) -> tuple[int, bytes, bytes]:
        """Legacy's status, head and body."""
        return 200, _HEAD, _BODY

    @property
    def candidate(self) -> tuple[int, bytes, bytes]:
        """The candidate's status, head and body."""
        return self.candidate_status, _HEAD, self.candidate_body


KNOWN_PAIRS = {
    pair.kind: pair
    for pair in (
        KnownPair("equal", "match"),
        KnownPair("value", "mismatch", candidate_body=b'{"self_test":{"name":"another","count":3}}'),
        KnownPair("missing", "mismatch", candidate_body=b'{"self_test":{"name":"known pair"}}'),
        KnownPair("status", "mismatch", candidate_status=500),
    )
}


class SelfTestOrder(NamedTuple):
    """An order of the judge to a worker: send the known pairs of `migration`, with copies to `candidate`.

    `legacy` and `candidate` are base URLs on the loopback interface; `ticket`
    comes back with the pairs.
    """

    migration: str
    ticket: str
    legacy: str
    candidate: str


def labelled(ticket: str, kind: str) -> str:
    """How a known pair is marked on its way."""
    return f"{ticket} {kind}"


def ticket_and_kind(label: str) -> tuple[str, str]:
    """The ticket and the kind of a known pair by its mark."""
    ticket, _, kind = label.partition(" ")
    return ticket, kind
