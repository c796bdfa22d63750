"""What looks on at an exchange, such as the recording of a shadowed one: told what passes, asked for nothing."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from strangler.proxy.exchange.exchange import Exchange


class Excuse(Enum):
    """Why an exchange tells nothing about the side that it went to."""

    CLIENT_GONE = auto()
    REQUEST_INCOMPLETE = auto()
    OTHER_SIDE = auto()
    """The other side of the migration responds in place of this one."""
    SHUTDOWN = auto()
    NO_DESCRIPTORS = auto()


class Observer(Protocol):
    """Sees one exchange in the order in which things happen; an exchange that nobody observes pays one test for it."""

    def request_body(self, part: bytes) -> None:
        """A part of the request's body, in the framing in which it is sent."""

    def whole_response(self, status: int, fields: bytes, body: bytes) -> None:
        """A response that came in one piece: `fields` are whole lines."""

    def response_head(self, status: int, fields: bytes) -> None:
        """The head of a response whose body follows."""

    def response_body(self, part: bytes) -> None:
        """A part of the response's body, without transfer coding."""

    def next_attempt(self) -> None:
        """Another attempt is made: the client does not get what came of the one before."""

    def excuse(self, excuse: Excuse) -> None:
        """The exchange goes on or ends in a way that is not the side's doing."""

    def own_response(self) -> None:
        """The gateway responds itself, or breaks off the response that has begun."""

    def ended(self, exchange: Exchange, status: int, seconds: float) -> None:
        """The exchange is over after `seconds`, with the status that is logged."""
