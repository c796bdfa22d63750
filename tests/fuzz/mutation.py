"""Changes to an input that keep something of HTTP in it: bytes, words, lines and whole messages moved about."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.fuzz.play import joined, parts
from tests.fuzz.seeds import LARGEST, WORDS


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """`data` with one to four changes; parts of `others` may come in."""
    client, upstream, cuts = parts(data)
    for _ in range(random.randint(1, 4)):
        what = random.random()
        if what < 0.6:
            client = _changed(client, parts(random.choice(others))[0], random)
        elif what < 0.85:
            upstream = _changed(upstream, parts(random.choice(others))[1], random)
        else:
            cuts = bytes(random.choice((0, 1, 1, 2, 3, 7, 20, 100, 255)) for _ in range(random.randint(0, 4)))
            cuts = bytes([random.randrange(8)]) + cuts
    return joined(client[:LARGEST], upstream[:LARGEST], cuts[:16])


def _changed(data: bytes, other: bytes, random: Random) -> bytes:
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice((0, 0, 1, 1, 2, 5, 20)))
    match random.randrange(7):
        case 0:
            new = bytes([random.randrange(256)])
        case 1:
            new = random.choice(WORDS)
        case 2:
            new = b""
        case 3:
            new = data[end : end + random.choice((1, 4, 30, 200))]
        case 4:
            return data + other
        case 5:
            lines = data.split(b"\r\n")
            lines.insert(random.randint(0, len(lines)), random.choice(other.split(b"\r\n")))
            return b"\r\n".join(lines)
        case _:
            place = random.randint(0, len(other))
            new = other[place : place + random.choice((1, 8, 40, 400))]
    return data[:start] + new + data[end:]
