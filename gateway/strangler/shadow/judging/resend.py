"""Send a request to an endpoint once more, with the same bytes, on a connection outside of the workers.

No HTTP library is used: it would correct what the two sides may have treated
differently.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

import httptools

from strangler.model.tls_context import upstream_context
from strangler.model.upstream import Upstream
from strangler.shadow.pair import Reason, SideResponse

_READ = 65_536
_BODYLESS = (204, 304)


class ResendFailed(Exception):
    """The endpoint gave no whole response; the message says why, `reason` in the words of `pair.Reason`."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Secure:
    """TLS settings for connections to an https endpoint."""

    context: ssl.SSLContext
    server_name: str


def secure(upstream: Upstream, endpoint: str) -> Secure | None:
    """TLS settings for the endpoint at the base URL `endpoint` of `upstream`; None for http."""
    parts = urlsplit(endpoint)
    if parts.scheme != "https":
        return None
    host = parts.hostname or ""
    names = {one.host for one in upstream.endpoints}
    if host not in names and len(names) == 1:
        # An address that was looked up: its certificate is for the name.
        (host,) = names
    return Secure(upstream_context(upstream.tls), upstream.tls.server_name or host)


class _ResponseReader:
    """Gathers one response."""

    def __init__(self, method: str, most: int) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.head: list[bytes] = []
        self.body: list[bytes] = []
        self.size = 0
        self.complete = False
        self.until_close = False
        self._bodyless = method == "HEAD"
        self._most = most

    def on_header(self, name: bytes, value: bytes) -> None:
        self.head += (name, b": ", value, b"\r\n")

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:
            self.head = []
        elif self._bodyless or status in _BODYLESS:
            self.complete = True
        else:
            self.until_close = not _announced(self.head)

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        if self.size > self._most:
            raise ResendFailed(f"the body has more than {self._most} bytes", Reason.TOO_BIG)
        self.body.append(body)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() >= 200:
            self.complete = True


async def ask(endpoint: str, request: bytes, timeout: float, most: int, secure: Secure | None = None) -> SideResponse:
    """The response of the endpoint at the base URL `endpoint` to the bytes `request`; `secure` where it is https.

    Raises ResendFailed after `timeout` seconds, for a body of more than `most`
    bytes, and where there is no whole response.
    """
    parts = urlsplit(endpoint)
    started = monotonic()
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await _open(parts.hostname or "", parts.port, secure)
            try:
                writer.write(request)
                reading = await _read(reader, request.partition(b" ")[0].decode("ascii"), most)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise ResendFailed(f"{endpoint} did not respond in {timeout:g} s", Reason.TIMED_OUT) from None
    except OSError as error:
        raise ResendFailed(f"{endpoint}: {error}", Reason.UNREACHABLE) from None
    status = reading.parser.get_status_code()
    return SideResponse(endpoint, status, b"".join(reading.head), b"".join(reading.body), monotonic() - started)


async def _open(
    host: str, port: int | None, secure: Secure | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if secure is None:
        return await asyncio.open_connection(host, port or 80)
    return await asyncio.open_connection(host, port or 443, ssl=secure.context, server_hostname=secure.server_name)


async def _read(reader: asyncio.StreamReader, method: str, most: int) -> _ResponseReader:
    reading = _ResponseReader(method, most)
    while not reading.complete:
        data = await reader.read(_READ)
        if not data:
            if reading.until_close:
                return reading
            raise ResendFailed("the connection ended before the response did", Reason.BROKE_OFF)
        try:
            reading.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if reading.complete:
                break
            cause = error.__context__
            if isinstance(cause, ResendFailed):
                raise cause from None
            raise ResendFailed(f"malformed response: {error}", Reason.MALFORMED) from None
    return reading


def _announced(head: list[bytes]) -> bool:
    """Whether the head states where the body ends, rather than the end of the connection."""
    return any(name.lower() in (b"content-length", b"transfer-encoding") for name in head[::4])
