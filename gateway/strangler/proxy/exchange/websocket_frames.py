"""Tracks the boundaries of WebSocket frames, as far as they can be known, and builds the close frame.

Facts (RFC 6455 sections 5 and 7): frames follow each other without gaps; those
of a client are masked, those of a server are not; a control frame, such as a
close frame, may stand between any two frames, also within a message. 1001 says
that an end is going away. Payloads are skipped and never looked at.
"""

from __future__ import annotations

import os

GOING_AWAY = (1001).to_bytes(2, "big")

_CLOSE = 8
_OPCODES = frozenset({0, 1, 2, _CLOSE, 9, 10})
_LENGTH_16 = 126
_LONGEST_HEAD = 14


class FrameWatch:
    """Follows the frames of one direction; `masked` for those of a client.

    `left` are the bytes of the payload that are still to come, `closed` tells
    that a close frame has passed, `lost` that what came are no frames.
    """

    __slots__ = ("_head", "_mask", "closed", "left", "lost")

    def __init__(self, *, masked: bool) -> None:
        self._mask = 0x80 if masked else 0
        self._head = b""
        self.left = 0
        self.closed = False
        self.lost = False

    @property
    def at_boundary(self) -> bool:
        """Whether a frame may be put in here."""
        return not (self.left or self._head or self.lost)

    def feed(self, data: bytes, to_boundary: bool = False) -> int:
        """Follow `data`; `to_boundary` up to the next boundary at the most. The number of bytes that were followed."""
        place, end = 0, len(data)
        while place < end and not self.lost:
            if self.left:
                step = min(self.left, end - place)
                self.left -= step
                place += step
            else:
                place += self._begin(data, place)
            if to_boundary and self.at_boundary:
                break
        return end if self.lost else place

    def _begin(self, data: bytes, place: int) -> int:
        """Read the head of a frame, or what there is of it; how many bytes of `data` from `place` on belong to it."""
        before = len(self._head)
        head = (
            self._head + data[place : place + _LONGEST_HEAD - before] if before else data[place : place + _LONGEST_HEAD]
        )
        if len(head) < 2:
            self._head = head
            return len(head) - before
        opcode, length = head[0] & 0x0F, head[1] & 0x7F
        broken_up = opcode >= _CLOSE and (not head[0] & 0x80 or length >= _LENGTH_16)
        if opcode not in _OPCODES or broken_up or head[1] & 0x80 != self._mask:
            self.lost = True
            return 0
        extended = 0 if length < _LENGTH_16 else 2 if length == _LENGTH_16 else 8
        size = 2 + extended + (4 if self._mask else 0)
        if len(head) < size:
            self._head = head
            return len(head) - before
        self._head = b""
        self.left = int.from_bytes(head[2 : 2 + extended], "big") if extended else length
        self.closed = self.closed or opcode == _CLOSE
        return size - before


def close_frame(*, masked: bool) -> bytes:
    """A close frame with 1001, for a server where `masked`."""
    if not masked:
        return b"\x88\x02" + GOING_AWAY
    mask = os.urandom(4)
    return b"\x88\x82" + mask + bytes(one ^ other for one, other in zip(GOING_AWAY, mask, strict=False))
