"""What a route changes of requests and responses on their way, as the snapshot holds it.

A route without changes has none of this, and what passes there passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NOT_ALPHANUMERIC = re.compile(rb"[^a-z0-9]+")
"""What a server may fold when it reads the name of a field, in lower case."""


@dataclass(frozen=True, slots=True)
class FieldChanges:
    """Header fields to take off, by their names in lower case, and whole lines to put on.

    Names of request fields are folded: `-` stands for whatever is no letter and no digit.
    """

    removed: frozenset[bytes] = frozenset()
    added: bytes = b""


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages of other origins may send requests (Fetch standard, section 3.2).

    `origins` are exact, `suffixes` what follows the star of `https://*.shop.example`
    with its scheme before. `headers` None allows every header.
    `max_age` is in seconds.
    """

    origins: frozenset[str] = frozenset()
    suffixes: tuple[tuple[str, str], ...] = ()
    any_origin: bool = False
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] | None = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 600


@dataclass(frozen=True, slots=True)
class Rewrite:
    """From the path that clients see to the path that an upstream sees, segment by segment, and back.

    `inner` is the upstream's path: texts, and numbers of segments of the
    client's path. What follows the first `rest` segments of the client's path is
    appended, unless `rest` is None. `outer` is the client's path in the same
    way: texts, None for a segment that varies. `prefix` is what was taken off
    the front.
    """

    inner: tuple[str | int, ...]
    outer: tuple[str | None, ...]
    rest: int | None
    prefix: str = ""
    cookie_domains: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed between clients and one upstream of a route.

    `endpoint_host` sends the endpoint's own Host. `authorities` are those of the
    upstream's endpoints, which mean nothing to a client.
    """

    request: FieldChanges = FieldChanges()
    response: FieldChanges = FieldChanges()
    cors: Cors | None = None
    rewrite: Rewrite | None = None
    endpoint_host: bool = False
    authorities: frozenset[str] = frozenset()
