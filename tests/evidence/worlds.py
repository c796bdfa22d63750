"""What the legacy side of the evidence tests serves, and what a side may do instead of responding well."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class Request:
    """A request as a side sees it; `number` and `caller` are what the load generator counted."""

    method: str
    path: str
    query: str
    fields: dict[str, str]
    number: int
    caller: int
    shadow: bool


@dataclass(frozen=True)
class Response:
    """A whole response. `declared` is its Content-Length where that is not the body's."""

    status: int = 200
    fields: tuple[tuple[str, str], ...] = (JSON,)
    body: bytes = b""
    after: float = 0.0
    declared: int | None = None

    def with_field(self, name: str, value: str) -> Response:
        """The same with another field in place of those of that name."""
        kept = tuple(item for item in self.fields if item[0].lower() != name.lower())
        return replace(self, fields=(*kept, (name, value)))

    def with_json(self, **changes: object) -> Response:
        """The same with other members of the JSON body."""
        return replace(self, body=json.dumps({**json.loads(self.body), **changes}).encode())


@dataclass(frozen=True)
class HangUp:
    """The connection ends without a response."""


@dataclass(frozen=True)
class Silence:
    """Nothing comes for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Raw:
    """These bytes come, and then the end."""

    data: bytes


Action = Response | HangUp | Silence | Raw


@dataclass(frozen=True)
class World:
    """What legacy says, and how clients ask: `fields` are sent with every request, of `callers` different ones.

    The traffic lasts `seconds` at the least.
    """

    legacy: Callable[[Request], Response]
    callers: int = 50
    targets: int = 1_000_000
    fields: Callable[[int], dict[str, str]] = field(default=lambda number: {})
    methods: tuple[str, ...] = ("GET",)
    seconds: float = 0.0
    query: Callable[[int], str] = field(default=lambda number: "")


def _item(request: Request) -> Response:
    number = int(request.path.rpartition("/")[2])
    item = {
        "id": number,
        "big": 9_007_199_254_740_993 + number,
        "name": f"item {number}",
        "price": f"{number % 90}.50",
        "tags": ["a", "b", "c"],
        "owner": request.caller,
        "note": None,
    }
    return Response(body=json.dumps(item).encode())


def _clock(request: Request) -> Response:
    return Response(body=json.dumps({"value": int(time.time() / 2)}).encode())


def _volatile(request: Request) -> Response:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return _item(request).with_json(at=now, request=str(uuid.uuid4()))


def _cached(request: Request) -> Response:
    whole = _item(request).with_field("ETag", '"v1"')
    if request.fields.get("if-none-match"):
        return replace(whole, status=304, body=b"")
    return whole


def _guarded(request: Request) -> Response:
    if request.caller % 5 == 0:
        body = b'{"error":"credentials are missing"}'
        return Response(401, (JSON, ("WWW-Authenticate", 'Bearer realm="shop"')), body)
    return _item(request)


def _rows(request: Request) -> Response:
    number = int(request.path.rpartition("/")[2])
    row = f"<tr class=item><td>{number}</td><td>item {number}</td></tr>"
    return Response(fields=(("Content-Type", "text/html; charset=utf-8"),), body=row.encode())


def _text(request: Request) -> Response:
    # No charset is declared, and the bytes are Latin-1.
    return Response(fields=(("Content-Type", "text/plain"),), body="caf\u00e9 ".encode("latin-1") * 20)


def _session(request: Request) -> Response:
    return _item(request).with_field("Set-Cookie", "basket=1; Path=/; HttpOnly; SameSite=Lax")


def _moved(request: Request) -> Response:
    return Response(302, (("Location", "/items/next"),), b"")


PLAIN = World(_item)
LASTING = World(_item, seconds=12)
CLOCK = World(_clock, callers=1000, targets=4, seconds=8)
VOLATILE = World(_volatile)
CACHED = World(_cached, fields=lambda number: {"If-None-Match": '"v1"'})
GUARDED = World(_guarded)
ROWS = World(_rows)
TEXT = World(_text)
SESSION = World(_session)
MOVED = World(_moved)
LANGUAGES = World(_item, fields=lambda number: {"Accept-Language": "de" if number % 10 == 0 else "en"})
SEARCHES = World(_item, query=lambda number: "sort=price" if number % 20 == 0 else "sort=name")
HEADS = World(_item, methods=("GET", "HEAD"))
COMPRESSED = World(_item, fields=lambda number: {"Accept-Encoding": "gzip, deflate, br, zstd"})
ONE_REQUEST = World(_item, callers=1, targets=1)
