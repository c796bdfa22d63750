"""A response as it is compared: a status, the headers in their order, and the whole body.

A body may be compressed (RFC 9110 section 8.4): the two sides often compress
equivalent bodies differently. `decoded` decompresses them, up to a maximum,
because a few kilobytes of deflate can expand to gigabytes.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass, replace

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECODED = (b"gzip", b"x-gzip", b"deflate", b"br", b"zstd")
"""The supported content codings, as spelled in Accept-Encoding and Content-Encoding."""

MOST_BYTES = 8 * 1024 * 1024
"""Default maximum of a decoded body, in bytes."""

_CHUNK = 65536
_MOST_MEMBERS = 100
_IDENTITY = (b"identity", b"")
_ZSTD_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB, the largest window of the content coding (RFC 9659 section 3)."""


class TooLarge(Exception):
    """A body is larger than the maximum once it is decoded."""


class Undecodable(Exception):
    """A body does not match its Content-Encoding, which the message names."""


@dataclass(frozen=True, slots=True)
class Response:
    """One side's whole response to a request.

    `headers` are as received, with duplicates and in order; `body` is without
    transfer coding and with the content coding that `Content-Encoding` names.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the header `name` (in lower case), in order, without white space around them."""
        return [value.strip(b" \t") for key, value in self.headers if key.lower() == name]

    @property
    def encodings(self) -> list[bytes]:
        """The content codings in the order in which they were applied, without `identity`."""
        listed = b",".join(self.values(b"content-encoding")).split(b",")
        return [coding for coding in (item.strip(b" \t").lower() for item in listed) if coding not in _IDENTITY]

    @property
    def unknown_encodings(self) -> list[bytes]:
        """The unsupported content codings: rare ones, and values that are not a coding, such as `UTF-8`."""
        return [coding for coding in self.encodings if coding not in DECODED]

    def without_unknown_encodings(self) -> Response:
        """Return this response with only the supported codings in Content-Encoding."""
        kept = b", ".join(coding for coding in self.encodings if coding in DECODED)
        headers = tuple(header for header in self.headers if header[0].lower() != b"content-encoding")
        return replace(self, headers=((b"content-encoding", kept), *headers) if kept else headers)


def decoded(response: Response, most: int = MOST_BYTES) -> Response:
    """Return `response` with its body decompressed, and without Content-Encoding.

    Supports gzip, deflate (with the zlib header, or without it as some servers
    send it), br and zstd. Raises Undecodable for another coding and for a body
    that is corrupt or truncated, TooLarge if the body has or expands to more
    than `most` bytes.
    """
    if len(response.body) > most:
        raise TooLarge(f"the body has {len(response.body)} bytes, more than {most}")
    codings = response.encodings
    if not codings:
        return response
    body = response.body
    # A response to HEAD, or a 304, names the coding of a body that it does not carry.
    for coding in reversed(codings if body else []):
        body = _decode(coding, body, most)
    headers = tuple(header for header in response.headers if header[0].lower() != b"content-encoding")
    return replace(response, headers=headers, body=body)


def _decode(coding: bytes, body: bytes, most: int) -> bytes:
    match coding:
        case b"gzip" | b"x-gzip":
            return _inflate("gzip", body, 16 + zlib.MAX_WBITS, most)
        case b"deflate":
            try:
                return _inflate("deflate", body, zlib.MAX_WBITS, most)
            except Undecodable:
                return _inflate("deflate", body, -zlib.MAX_WBITS, most)
        case b"br":
            return _unbrotli(body, most)
        case b"zstd":
            return _unzstd(body, most)
        case _:
            raise Undecodable(f"the content coding {coding.decode('latin-1')!r} is not understood")


def _inflate(name: str, body: bytes, window: int, most: int) -> bytes:
    """Decompress gzip, which may consist of several members (RFC 1952 section 2.2)."""
    decoded = bytearray()
    members = 0
    while body:
        members += 1
        if members > _MOST_MEMBERS:
            # The data after each member is copied, so a large number of small members takes quadratic time.
            raise Undecodable(f"the {name} body has more than {_MOST_MEMBERS} members")
        inflater = zlib.decompressobj(window)
        try:
            decoded += inflater.decompress(body, most + 1 - len(decoded))
        except zlib.error as error:
            raise Undecodable(f"the body is not {name}: {error}") from None
        if len(decoded) > most:
            raise TooLarge(f"the body has more than {most} bytes once it is decoded")
        if not inflater.eof:
            raise Undecodable(f"the {name} body ends early")
        body = inflater.unused_data if name == "gzip" else b""
    return bytes(decoded)


def _unbrotli(body: bytes, most: int) -> bytes:
    decoded = bytearray()
    decompressor = brotli.Decompressor()
    try:
        decoded += decompressor.process(body, output_buffer_limit=_CHUNK)
        while not decompressor.is_finished():
            if len(decoded) > most:
                raise TooLarge(f"the body has more than {most} bytes once it is decoded")
            more = decompressor.process(b"", output_buffer_limit=_CHUNK)
            if not more and decompressor.can_accept_more_data():
                raise Undecodable("the br body ends early")
            decoded += more
    except brotli.error as error:
        raise Undecodable(f"the body is not br: {error}") from None
    if len(decoded) > most:
        raise TooLarge(f"the body has more than {most} bytes once it is decoded")
    return bytes(decoded)


def _unzstd(body: bytes, most: int) -> bytes:
    """Decompress zstd, which may consist of several frames (RFC 8878 section 3)."""
    decoded = bytearray()
    members = 0
    try:
        while body:
            members += 1
            if members > _MOST_MEMBERS:
                raise Undecodable(f"the zstd body has more than {_MOST_MEMBERS} frames")
            decompressor = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)
            decoded += decompressor.decompress(body, most + 1 - len(decoded))
            if len(decoded) > most:
                raise TooLarge(f"the body has more than {most} bytes once it is decoded")
            if not decompressor.eof:
                raise Undecodable("the zstd body ends early")
            body = decompressor.unused_data
    except zstd.ZstdError as error:
        raise Undecodable(f"the body is not zstd: {error}") from None
    return bytes(decoded)


def too_large(response: Response, most: int = MOST_BYTES) -> bool:
    """Return whether a body has, or expands to, more than `most` bytes."""
    try:
        decoded(response, most)
    except TooLarge:
        return True
    except Undecodable:
        return False
    return False
