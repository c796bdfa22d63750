"""Plays rounds of requests through the data plane that `PYTHONPATH` names; `in_memory` runs it and reads the figures.

Each line of the input names a load; the output is the CPU microseconds a request of one round.

The full job of the benchmark: 30 routes, a token, a split by caller, an access
log. `same` repeats one request; in all others no two requests are equal:
500 users' tokens, a browser's fields, a path, a Referer and a trace of its own.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any, cast

from strangler.auth.keys import parse_key_set
from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from tests.e2e.tokens import Issuer
from tests.proxy.in_process import Loop, Plane, Transport, transport_of

ROUTES = 30
USERS = 500
REQUESTS = 1_000
"""Requests of a round, over one connection; below the default of `limits.requests`, at which the gateway closes it."""

CONFIGURATION = """\
version: 1
auth:
  providers:
    bench: {issuer: "https://id.shop.example", audience: shop, algorithms: [ES256], jwks: jwks.json}
upstreams:
  legacy: {endpoints: ["http://127.0.0.1:1"]}
  extracted: {endpoints: ["http://127.0.0.1:2"]}
default: legacy
migrations:
  bench:
    from: legacy
    to: extracted
    stage: canary
    canary: {percent: 25, sticky: ["claim:sub"]}
    auth: {provider: bench}
    routes: [ROUTES]
access_log: {path: LOG}
"""

Messages = tuple[list[bytes], list[list[bytes]]]
"""What clients send, and the reads in which the response to each comes."""

BODY = b'{"items":[' + b",".join(b'{"sku":"A-%05d","count":%d}' % (number, number % 7) for number in range(65)) + b"]}"
BROWSER = (
    b"Host: shop.example\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n'
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"
    b" Safari/537.36\r\nAccept: application/json, text/plain, */*\r\n"
    b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 30 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json\r\n"
)


def _digits(count: int) -> bytes:
    return random.randbytes(count // 2).hex().encode()


class Loads:
    """The messages of each load, made before the clock runs."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [token.encode() for token in tokens]
        self._page = 0

    def _user(self, method: bytes = b"GET", fields: bytes = b"", body: bytes = b"") -> bytes:
        self._page += 1
        return (
            b"%b /api/service%02d/items/%d?page=%d HTTP/1.1\r\n%bReferer: https://shop.example/items/%d\r\n"
            b"traceparent: 00-%b-%b-01\r\nAuthorization: Bearer %b\r\n%b\r\n%b"
            % (
                method,
                self._page % ROUTES,
                self._page,
                self._page % 9,
                BROWSER,
                self._page,
                _digits(32),
                _digits(16),
                random.choice(self._tokens),
                fields,
                body,
            )
        )

    def same(self) -> Messages:
        """One request, 30 paths."""
        line = b"GET /api/service%02d/items/42 HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer %b\r\n\r\n"
        sent = [line % (number % ROUTES, self._tokens[0]) for number in range(REQUESTS)]
        return sent, [[_response()]] * REQUESTS

    def users(self) -> Messages:
        """Browsers' GETs."""
        return [self._user() for _ in range(REQUESTS)], [[_response()]] * REQUESTS

    def post(self) -> Messages:
        """The same with 2 KiB of JSON, whole in one read."""
        fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(BODY)
        return [self._user(b"POST", fields, BODY) for _ in range(REQUESTS)], [[_response()]] * REQUESTS

    def upload(self) -> Messages:
        """64 KiB of body in two reads, of which the first has the head."""
        fields = b"Content-Type: application/octet-stream\r\nContent-Length: 65536\r\n"
        return [self._user(b"PUT", fields, bytes(65_536)) for _ in range(REQUESTS // 5)], [[_response()]] * REQUESTS

    def heads(self) -> Messages:
        """Browsers' GETs, and no two response heads are equal."""
        return [self._user() for _ in range(REQUESTS)], [
            [
                _response(
                    b'Set-Cookie: session=%b; Path=/; HttpOnly\r\nETag: "%b"\r\nX-Request-Id: %b\r\n'
                    % (_digits(32), _digits(16), _digits(32))
                )
            ]
            for _ in range(REQUESTS)
        ]

    def close(self) -> Messages:
        """A connection a request."""
        sent = [self._user().replace(b"Connection: keep-alive", b"Connection: close") for _ in range(REQUESTS)]
        return sent, [[_response()]] * REQUESTS

    def big(self) -> Messages:
        """Responses of 64 KiB, in two reads."""
        whole = _response(body=bytes(65_536))
        sent, _ = self.users()
        return sent, [[whole[:32_768], whole[32_768:]]] * REQUESTS


LOADS = ("same", "users", "post", "upload", "heads", "close", "big")


def _response(fields: bytes = b"", body: bytes = b'{"ok":true}' * 19) -> bytes:
    return b"%b%bContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (RESPONSE, fields, len(body), body)


def _reads(request: bytes) -> list[bytes]:
    return [request[:32_768], request[32_768:]] if len(request) > 32_768 else [request]


class _PassingTime(Loop):
    """Lets two seconds pass at each look, if it `passes`: then idle connections have proven to stay open."""

    ahead = 0.0
    passes = False

    def time(self) -> float:
        """The running loop's time, and what has passed."""
        if self.passes:
            self.ahead += 2.0
        return super().time() + self.ahead


class Rounds:
    """A data plane, and rounds of a load through it."""

    def __init__(self, snapshot: Snapshot, issuer: Issuer) -> None:
        self._plane = plane = Plane(snapshot, {"bench": parse_key_set(issuer.key_set())})
        plane.loop = self._time = _PassingTime(asyncio.get_running_loop())
        plane.plane.loop = cast(asyncio.AbstractEventLoop, plane.loop)
        self._loads = Loads([issuer.token(f"user-{number}", exp=2_000_000_000) for number in range(USERS)])

    async def round(self, load: str) -> float:
        """CPU microseconds a request, once all tokens are known and the connections open."""
        make: Callable[[], Messages] = getattr(self._loads, load)
        sent, responses = make()
        plane = self._plane
        client = plane.client()
        for _ in range(2 * USERS):
            # Until every user's token was verified, and both sides have a connection.
            client.feed(self._loads._user())
            await plane.settle()
            for upstream in plane.busy():
                upstream.feed(_response())
                upstream.take()
            client.take()
        upstreams = [transport_of(connection) for connection in plane.loop.connections if not _is_closed(connection)]
        self._time.passes = load in ("post", "upload")
        figure = await (self._separately if load == "close" else self._kept)(sent, responses, upstreams)
        self._time.passes = False
        return figure

    async def _kept(self, sent: list[bytes], responses: list[list[bytes]], upstreams: list[Transport]) -> float:
        client = self._plane.client()
        requests: list[list[bytes]] = [_reads(request) for request in sent]
        answered = 0
        began = process_time()
        for reads, response in zip(requests, responses, strict=False):
            for data in reads:
                client.feed(data)
            upstream = _asked(upstreams)
            for data in response:
                upstream.feed(data)
            upstream.written.clear()
            answered += client.written.startswith(b"HTTP/1.1 200 OK")
            client.written.clear()
        figure = (process_time() - began) / len(requests) * 1e6
        assert answered == len(requests), f"{answered} of {len(requests)} requests got 200"
        client.close()
        await self._plane.settle()
        return figure

    async def _separately(self, sent: list[bytes], responses: list[list[bytes]], upstreams: list[Transport]) -> float:
        answered = 0
        began = process_time()
        for request, (response,) in zip(sent, responses, strict=True):
            client = self._plane.client()
            client.feed(request)
            upstream = _asked(upstreams)
            upstream.feed(response)
            upstream.written.clear()
            answered += client.written.startswith(b"HTTP/1.1 200 OK")
            await asyncio.sleep(0)
            # As real transports do, which then need no garbage collection.
            del client.protocol
        figure = (process_time() - began) / len(sent) * 1e6
        assert answered == len(sent), f"{answered} of {len(sent)} requests got 200"
        return figure


def _is_closed(connection: Any) -> bool:
    return bool(connection.transport.is_closing())


def _asked(upstreams: list[Transport]) -> Transport:
    for upstream in upstreams:
        if upstream.written:
            return upstream
    raise AssertionError("the request reached no upstream")


def _asked_loads() -> Iterator[str]:
    for line in sys.stdin:
        yield line.strip()


async def _serve(snapshot: Snapshot, issuer: Issuer) -> None:
    rounds = Rounds(snapshot, issuer)
    for asked in _asked_loads():
        print(f"{await rounds.round(asked):.4f}", flush=True)
    rounds._plane.plane.close()


def main() -> None:
    """Play a round for each line of the input."""
    random.seed(1)
    issuer = Issuer()
    routes = ", ".join(f"{{match: {{path: /api/service{number:02d}/**}}}}" for number in range(ROUTES))
    with tempfile.TemporaryDirectory() as folder:
        issuer.write_key_set(Path(folder))
        file = Path(folder, "gateway.yaml")
        file.write_text(CONFIGURATION.replace("ROUTES", routes).replace("LOG", str(Path(folder, "access.log"))))
        asyncio.run(_serve(load(file).snapshot, issuer))


if __name__ == "__main__":
    main()
