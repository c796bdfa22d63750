"""What clients send in each row of the benchmark: prepared whole before any load, the same bytes for every contender.

Real traffic does not repeat itself: many callers, the fields that a browser sends,
another path, `Referer` and `traceparent` with each request. The row `users` is
that, and the rows after it are it with one thing changed; `same` is a handful of
requests again and again, which flatters whoever remembers them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.origin import FRESH, LARGE
from benchmarks.workload import PERCENT, ROUTES, Credentials, prefixes

USERS = 500
COLD_TOKENS = 16_000
"""More tokens than any contender remembers (this gateway 10,000, Envoy 1,000), used in turn: each is always new."""
PREPARED = 24_000
"""Requests of a row, sent in turn: more than a second's worth, and far more than anything remembers of heads."""
JSON_BYTES = 2048
_HOST = "shop.example"
_HEADER_BYTES = 8
"""Of the length that precedes each prepared request in its file."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """One row: what is sent, and what the figures of it are called.

    `tokens` is how many callers take turns; `item` is the part of a target below its
    route, which the origin decides its response by; `closes` means a connection a request.
    """

    title: str
    tokens: int = USERS
    item: str = "items"
    method: str = "GET"
    body_bytes: int = 0
    closes: bool = False
    tls: bool = False


SAME = Traffic(f"The same {ROUTES} requests of one caller again and again", tokens=1)
TRAFFIC: dict[str, Traffic] = {
    "same": SAME,
    "users": Traffic(f"{USERS} callers, eleven browser fields, every request unique"),
    "post": Traffic("users, with a JSON body of 2 KiB", method="POST", body_bytes=JSON_BYTES),
    "heads": Traffic("users, with Set-Cookie, ETag and X-Request-Id unique in every response", item=FRESH),
    "close": Traffic("users, with a connection a request", closes=True),
    "big": Traffic("users, with responses of 64 KiB", item=LARGE),
    "tls": Traffic("users, over TLS on kept connections", tls=True),
    "tls-new": Traffic("users, with a TLS connection a request", tls=True, closes=True),
    "cold": Traffic("users, with a token that was never seen in every request", tokens=COLD_TOKENS),
}
"""Rows of the full job, by name."""

JOB = f"RS256 token, {ROUTES} routes, {PERCENT} % sticky split, headers, access log"


def prepare(traffic: Traffic, credentials: Credentials, routes: int, path: Path) -> Path:
    """Write the requests of `traffic` to `path`, each behind its length in eight digits; returns `path`."""
    tokens = [credentials.token(f"user-{number}") for number in range(traffic.tokens)]
    with path.open("wb") as file:
        for request in _same(tokens[0], routes) if traffic is SAME else _unique(traffic, tokens, routes):
            file.write(b"%0*d" % (_HEADER_BYTES, len(request)) + request)
    return path


def plain(targets: Sequence[str], token: str | None, path: Path) -> Path:
    """Write a GET of each target to `path`, with nothing but Host and the token; returns `path`."""
    with path.open("wb") as file:
        for target in targets:
            request = _get(target, token)
            file.write(b"%0*d" % (_HEADER_BYTES, len(request)) + request)
    return path


def _get(target: str, token: str | None) -> bytes:
    authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"GET {target} HTTP/1.1\r\nHost: {_HOST}\r\n{authorization}\r\n".encode()


def _same(token: str, routes: int) -> Iterator[bytes]:
    for prefix in prefixes(routes):
        yield _get(f"{prefix}items/42?page=2", token)


def _unique(traffic: Traffic, tokens: Sequence[str], routes: int) -> Iterator[bytes]:
    # Seeded: every run sends the same, but for the tokens.
    chance = random.Random(1)
    below = prefixes(routes)
    for number in range(max(PREPARED, len(tokens))):
        prefix = below[number % len(below)]
        fields = _browser_fields(prefix, chance)
        fields.append(f"Authorization: Bearer {tokens[number % len(tokens)]}")
        if traffic.closes:
            fields.append("Connection: close")
        body = b""
        if traffic.body_bytes:
            body = _json(number, traffic.body_bytes)
            fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        line = f"{traffic.method} {prefix}{traffic.item}/{chance.randrange(10**6)}?page={number % 50} HTTP/1.1"
        yield "\r\n".join([line, f"Host: {_HOST}", *fields, "\r\n"]).encode() + body


def _browser_fields(prefix: str, chance: random.Random) -> list[str]:
    return [
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
        "Accept: application/json, text/plain, */*",
        "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
        "Accept-Encoding: gzip, deflate, br, zstd",
        f"Referer: https://{_HOST}{prefix}list/{chance.randrange(10**6)}",
        'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
        "sec-ch-ua-mobile: ?0",
        'sec-ch-ua-platform: "Linux"',
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        f"traceparent: 00-{chance.getrandbits(128):032x}-{chance.getrandbits(64):016x}-01",
    ]


def _json(number: int, size: int) -> bytes:
    begun = f'{{"order":{number},"note":"'
    return f'{begun}{"n" * (size - len(begun) - 2)}"}}'.encode()
