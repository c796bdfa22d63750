"""The protocols that a TLS client offers, read from its ClientHello before OpenSSL sees it.

Facts: a server that supports none of the protocols that a client offers must
end the handshake by the alert no_application_protocol (RFC 7301 section 3.2).
Python's ssl goes on without a protocol instead, and a client that speaks only
HTTP/2 then sees nothing but a closed connection. A ClientHello may be split
over several records and reads (RFC 8446 sections 4.1.2, 5.1).
"""

from __future__ import annotations

SPOKEN = frozenset({b"http/1.1", b"http/1.0"})
NO_APPLICATION_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"
"""The record of the fatal alert 120."""

LARGEST = 16_384
"""Maximum bytes of a ClientHello that are looked at; OpenSSL alone reads a larger one."""

_HANDSHAKE, _CLIENT_HELLO, _ALPN = 22, 1, 16


class _Malformed(Exception):
    """It is no ClientHello; OpenSSL will report what is wrong."""


class _Reader:
    """Reads numbers and blocks from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def __bool__(self) -> bool:
        return self._place < len(self._data)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._place + count
        if end > len(self._data):
            raise _Malformed
        taken, self._place = self._data[self._place : end], end
        return taken

    def number(self, size: int) -> int:
        """The number in the next `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> bytes:
        """The bytes behind a length of `size` bytes."""
        return self.take(self.number(size))


def offered_protocols(received: bytes) -> frozenset[bytes] | None:
    """The protocols that the ClientHello in `received` offers, perhaps none; None while it is not whole."""
    try:
        message = _message(received)
        return None if message is None and len(received) < LARGEST else _protocols(message or b"")
    except _Malformed:
        return frozenset()


def _message(received: bytes) -> bytes | None:
    """The first handshake message of the records, without its head; None while it is not whole."""
    message = b""
    place = 0
    while place < len(received):
        if received[place] != _HANDSHAKE:
            raise _Malformed
        head = received[place : place + 5]
        if len(head) < 5:
            return None
        end = place + 5 + int.from_bytes(head[3:5], "big")
        message += received[place + 5 : end]
        if message and message[0] != _CLIENT_HELLO:
            raise _Malformed
        if len(message) >= 4:
            length = int.from_bytes(message[1:4], "big")
            if len(message) >= 4 + length:
                return message[4 : 4 + length]
        if end > len(received):
            return None
        place = end
    return None


def _protocols(message: bytes) -> frozenset[bytes]:
    hello = _Reader(message)
    hello.take(2 + 32)  # version, random
    hello.block(1)  # session
    hello.block(2)  # ciphers
    hello.block(1)  # compression
    if not hello:
        return frozenset()
    extensions = _Reader(hello.block(2))
    while extensions:
        kind, content = extensions.number(2), extensions.block(2)
        if kind == _ALPN:
            names = _Reader(_Reader(content).block(2))
            found = set()
            while names:
                found.add(names.block(1))
            return frozenset(found)
    return frozenset()
