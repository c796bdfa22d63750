"""Ask one side: a recorded request goes out as it was recorded, and the response is taken as it comes.

httpx resolves dot segments and re-encodes paths, so the target goes around it
as raw bytes. Redirects are not followed, cookies are not kept, proxies of the
environment are not used, and bodies are not decoded: all of that is what is
compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

import httpx

from strangler.comparison.response import MOST_BYTES, Response
from strangler.model.methods import SAFE
from strangler.replay.recorded import RecordedRequest
from strangler.shadow.comparable_requests import ACCEPT_ENCODING, CONDITIONS, decodable_encodings


class NoResponse(Exception):
    """A side gave no complete response; the message says why."""


class TooBig(Exception):
    """A response is longer than what is compared."""


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """One side's response, and the seconds from the request to the last byte of it."""

    response: Response
    seconds: float


@dataclass(frozen=True, slots=True)
class Sending:
    """How requests are sent to a side: over at most `connections` connections.

    `headers` replace recorded ones of the same names. A response may take
    `timeout` seconds from byte to byte, and have `most` bytes.
    """

    headers: Sequence[tuple[str, str]] = ()
    connections: int = 8
    timeout: float = 30.0
    most: int = MOST_BYTES


class Side:
    """The server at the base URL `url`; every request is sent with `host`. Used as an asynchronous context manager."""

    def __init__(self, url: str, *, host: str, sending: Sending | None = None) -> None:
        sending = sending or Sending()
        self.url = url
        self._host = host
        self._headers = sending.headers
        self._timeout = sending.timeout
        self._most = sending.most
        limits = httpx.Limits(max_connections=sending.connections, max_keepalive_connections=sending.connections)
        self._client = httpx.AsyncClient(trust_env=False, limits=limits)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def ask(self, request: RecordedRequest) -> TimedResponse:
        """The response to `request`. Raises NoResponse and TooBig."""
        sent = http_request(self.url, request, self._host, self._headers, self._timeout)
        started = monotonic()
        try:
            response = await self._client.send(sent, stream=True, follow_redirects=False)
            try:
                body = bytearray()
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > self._most:
                        raise TooBig(f"the body has more than {self._most} bytes")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise NoResponse(f"{self.url}: {str(error) or type(error).__name__}") from None
        seconds = monotonic() - started
        return TimedResponse(Response(response.status_code, tuple(response.headers.raw), bytes(body)), seconds)


def http_request(
    url: str, request: RecordedRequest, host: str, headers: Sequence[tuple[str, str]], timeout: float
) -> httpx.Request:
    """`request` as it goes to the server at the base URL `url`: with `host`, and `headers` in place of its own.

    Without what asks for less than the whole response, since each side has its
    own validators, and accepting no coding that can't be decoded here.
    """
    replaced = {name.lower() for name, _ in headers}
    kept = (_sent(name, value) for name, value in request.headers if name.lower() not in replaced)
    fields = [("Host", host), *(field for field in kept if field is not None), *headers]
    if request.body or request.method not in SAFE:
        fields.append(("Content-Length", str(len(request.body))))
    return httpx.Request(
        request.method,
        url,
        headers=[(name.encode("latin-1"), value.encode("utf-8")) for name, value in fields],
        content=request.body or None,
        extensions={"target": request.target.encode("ascii"), "timeout": httpx.Timeout(timeout).as_dict()},
    )


def _sent(name: str, value: str) -> tuple[str, str] | None:
    """A recorded field as it is sent; None if it is left out."""
    known = name.lower().encode("latin-1")
    if known in CONDITIONS:
        return None
    if known == ACCEPT_ENCODING:
        return name, decodable_encodings(value.encode("latin-1", "replace")).decode("latin-1")
    return name, value
