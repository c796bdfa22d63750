"""How much a proof rests on: how many different requests and callers the evidence comes from.

A thousand pairs of one caller who asks for one thing are little more than one:
such a pair, called a unit here, counts once an hour. What a unit is, and how
many different requests and callers there were, is kept as digests and counts.

Distinct values are counted by sketches, which merge, so that several gateways
and restarts add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from strangler.observe.sketch import REGISTERS, Sketch
from strangler.shadow.pair import Pair

_LONGEST_LINE = 512
"""Bytes of a request line whose digest is remembered."""

MOST_UNITS = 200_000
"""Units of an hour that are remembered; further right ones of that hour are no evidence."""


@dataclass(slots=True)
class Variety:
    """What the evidence of an operation comes from: distinct callers, requests, and units of both."""

    callers: Sketch = field(default_factory=Sketch)
    requests: Sketch = field(default_factory=Sketch)
    units: Sketch = field(default_factory=Sketch)

    def note(self, pair: Pair, unit: int) -> bool:
        """Count where evidence comes from; whether anything changed."""
        changed = self.units.add(unit)
        changed |= self.callers.add(pair.caller)
        return self.requests.add(_shape_digest(pair.request_line, pair.body)) or changed

    def as_bytes(self) -> bytes:
        """All of it, to be stored."""
        return bytes(self.callers.registers + self.requests.registers + self.units.registers)

    @classmethod
    def read(cls, stored: bytes) -> Variety:
        """What `as_bytes` has written. Raises ValueError where it is something else."""
        if len(stored) != 3 * REGISTERS:
            raise ValueError(f"a variety has {3 * REGISTERS} bytes, not {len(stored)}")
        parts = (stored[start : start + REGISTERS] for start in range(0, len(stored), REGISTERS))
        return cls(*map(Sketch, parts))

    def merge(self, other: Variety) -> None:
        """Count what another variety has counted, too."""
        self.callers.merge(other.callers.registers)
        self.requests.merge(other.requests.registers)
        self.units.merge(other.units.registers)


class HourlyUnits:
    """The units of the present hour, right and wrong ones apart."""

    def __init__(self) -> None:
        self._hour = 0
        self._right: set[int] = set()
        self._wrong: set[int] = set()

    def is_first(self, unit: int, at: float, wrong: bool) -> bool:
        """Whether this is the first such pair of the unit in the hour of `at`.

        A unit that was right counts once more when it is wrong: what counts
        against the candidate is never left out for what came before it.
        """
        hour = int(at // 3600)
        if hour > self._hour:
            self._hour = hour
            self._right.clear()
            self._wrong.clear()
        if wrong:
            if unit in self._wrong:
                return False
            if len(self._wrong) < MOST_UNITS:
                self._wrong.add(unit)
            return True
        if unit in self._right or unit in self._wrong or len(self._right) >= MOST_UNITS:
            return False
        self._right.add(unit)
        return True


def unit_of(pair: Pair) -> int:
    """A digest of who asks for what: the caller, the target and the body, without fields that differ each time."""
    return _digest(b"%d %b\n%b" % (pair.caller, pair.request_line, pair.body))


@lru_cache(4096)
def _digest_of_line(line: bytes) -> int:
    """The digest of the shape of a request without a body; most requests have none, and come again and again."""
    return _digest(_request_shape(line, b""))


def _shape_digest(line: bytes, body: bytes) -> int:
    if body or len(line) > _LONGEST_LINE:
        return _digest(_request_shape(line, body))
    return _digest_of_line(line)


def _request_shape(line: bytes, body: bytes) -> bytes:
    """What a request asks for, without values: the path, the names in the query, and the names in a JSON body."""
    method, target = line.decode("ascii").split(" ", 2)[:2]
    path, _, query = target.partition("?")
    names = sorted({item.partition("=")[0] for item in query.split("&")}) if query else []
    shape = "\n".join((method, path, *names))
    if body:
        shape += "\n\n" + "\n".join(sorted(set(_names(body))))
    return shape.encode()


def _names(body: bytes) -> Iterator[str]:
    """The places of a JSON body; nothing for another one."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{name}", item) for name, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[]", item) for item in value]
        else:
            yield path


def _digest(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest())
