"""Ask a server for one response, from a test."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx

from strangler.comparison.response import Response
from strangler.replay.ask import http_request
from strangler.replay.recorded import RecordedRequest, target_of


class Asker:
    """Asks servers over connections that are kept.

    Requests go out as they were recorded, all with the same `host`, so that
    links in the responses of both sides are the same, and with `headers` in place
    of those of the same names. `timeout` is the seconds of silence after which
    httpx.TimeoutException is raised.
    """

    def __init__(
        self, *, host: str = "localhost", headers: Sequence[tuple[str, str]] = (), timeout: float = 30.0
    ) -> None:
        self.host = host
        self.headers = headers
        self.timeout = timeout
        self._client = httpx.Client(trust_env=False)

    def __call__(self, url: str, request: RecordedRequest | str) -> Response:
        """The response of the server at the base URL `url`; a `request` that is text is the target of a GET."""
        if isinstance(request, str):
            request = RecordedRequest("GET", target_of(request)[0])
        sent = http_request(url, request, self.host, self.headers, self.timeout)
        response = self._client.send(sent, stream=True, follow_redirects=False)
        try:
            body = b"".join(response.iter_raw())
        finally:
            response.close()
        return Response(response.status_code, tuple(response.headers.raw), body)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
