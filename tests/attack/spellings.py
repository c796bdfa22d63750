"""Requests that an attacker would try against protected paths, generated from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from strangler.model.dropped_fields import GROUPS

PIECES = (
    *("/", "/", "//", "%2f", "%2F", "\\", "%5c", ";", ";x=1", "%3b", ".", "..", "%2e", "%2e%2e", ".%2e"),
    *("secret", "secret", "admin", "admin", "x", "open", "u@x", "x:80", "SECRET", "Admin", "%73ecret", "%61dmin"),
    *("%0a", "%0d%0a", "%09", "%01", "%7f", "%20", "%23", "%3f", "%25", "%252f", "%c0%af", "%ef%bc%8f", "~", "*"),
)
KNOWN = (
    *("//x/admin/y", "/\\x/admin/y", "//u@x/admin/y", "///x/admin/y", "/%5cx/admin/y", "//x/secret", "/.//x/admin/y"),
    *("/secret%0a", "/secret%0d", "/secret%0d%0a", "/secret/.", "/secret/x/..", "/secret/", "/secret;/x", "/secret;x"),
    *("/Secret", "/SECRET/", "/ADMIN/x", "/admin;/x", "/;/secret", "/x/../secret", "/x/%2e%2e/secret", "/%2fsecret"),
    *(
        "/secret?x",
        "/secret%3fx",
        "/secret%23",
        "/secret%20",
        "/.;/secret",
        "/x/..;/admin/y",
        "/admin%2fx",
        "/./secret",
    ),
)
TARGETS = ("secret", "admin/x", "x/../secret", "admin/../admin/x", "secret/..", "x/y/../../admin/z")
QUERIES = (
    *("admin=0&admin=1", "admin=1&admin=0", "%61dmin=1&admin=0", "admin=0;admin=1", "admin[]=1", "admin[0]=1"),
    *("admin=0&&admin=1", "+admin=1", "admin%00=1", "ADMIN=1", "admin=%31&admin=0", "admin=0&admin=%31"),
)
MODES = (
    *("X-Mode: user, admin", "X-Mode: admin,user", "x-mode: user|X-Mode: admin", "X-Mode: admin|X-Mode: user"),
    *("X_Mode: admin", "x_mode: admin|X-Mode: user", "X.Mode: admin", "X-Mode:\tuser ,\tadmin", "X-Mode: ,admin"),
)
VALUES = ("/a", "/secret", "/admin/x", "/x", "secret", "GET", "admin", "/..", "http://x/secret")


class Attempt(NamedTuple):
    """A request without a token: its target, and whole header lines."""

    target: str
    fields: tuple[str, ...] = ()


def paths(draw: random.Random, count: int) -> Iterator[Attempt]:
    """Spellings that people know, then random ones: changed ones of protected paths, and any."""
    yield from map(Attempt, KNOWN)
    for number in range(count):
        if number % 3:
            yield Attempt("/" + _changed(draw, draw.choice(TARGETS)))
        else:
            yield Attempt("/" + "".join(draw.choices(PIECES, k=draw.randint(1, 9))))


def _changed(draw: random.Random, target: str) -> str:
    """`target` with up to four pieces put in, some characters encoded, and perhaps in another case."""
    for _ in range(draw.randint(1, 4)):
        place = draw.choice((0, len(target), draw.randint(0, len(target))))
        target = target[:place] + draw.choice(PIECES) + target[place:]
    if draw.random() < 0.3:
        target = "".join(f"%{ord(one):02x}" if draw.random() < 0.2 and one != "%" else one for one in target)
    return target.swapcase() if draw.random() < 0.1 else target


def conditions() -> Iterator[Attempt]:
    """Requests that are protected by a query parameter or a header."""
    for query in QUERIES:
        yield Attempt(f"/q?{query}")
    for mode in MODES:
        yield Attempt("/m", tuple(mode.split("|")))


def headers(draw: random.Random, count: int) -> Iterator[Attempt]:
    """Open paths with fields that servers believe, in all spellings."""
    names = [name for group in GROUPS for name in group.names]
    for name in ("SCRIPT_NAME", "Script-Name", "script_name", "PATH_INFO", "Path-Info", "X-Original-URL"):
        for target in ("/a/admin/x", "/a/secret", "/x"):
            yield from (Attempt(target, (f"{name}: {value}",)) for value in VALUES)
    for _ in range(count):
        chosen = draw.sample(names, draw.randint(1, 4))
        fields = tuple(f"{_spelled(draw, name)}: {draw.choice(VALUES)}" for name in chosen)
        yield Attempt(draw.choice(("/a/admin/x", "/a/secret", "/x", "/open")), fields)


def _spelled(draw: random.Random, name: str) -> str:
    separator = draw.choice("--__.")
    text = name.replace("_", "-").replace("-", separator)
    return draw.choice((text, text.lower(), text.upper()))


def attempts(seed: int, count: int) -> Iterator[Attempt]:
    """All of them; `count` random ones of each kind."""
    draw = random.Random(seed)
    yield from paths(draw, count)
    yield from conditions()
    yield from headers(draw, count // 2)
