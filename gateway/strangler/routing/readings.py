"""The segments of a request path, in every way in which a server may read it.

As sent, the segments are what stands between the slashes, percent-decoded. An
upstream may read another path:

- It takes an encoded slash or a backslash for a slash (WSGI; IIS; URL libraries
  of JavaScript).
- It drops `;parameters` of each segment (servlets), or everything behind the
  first `;` (Fastify 4, which begins the query there).
- It takes what follows `//` or `/\\` for a host (RFC 3986 section 4.2): Node's
  `new URL(target, base)`, Python's `urlsplit`.
- It merges empty segments, resolves dot segments, or both, in either order; of
  dot segments only those that are not encoded, or all. Behind a dot segment at
  the end RFC 3986 section 5.2.4 leaves a slash; `posixpath` and Node do not.
- It ignores control characters at the end (`$` in the pattern of a Python route
  also matches before a last line feed) or everywhere.

A server may do some of that and not the rest, before it decodes or afterwards.
Where two readings would choose differently the request is refused
(`strangler.routing.decide`), so that no spelling of a path dodges a rule. A path
is not decoded twice: a name with an encoded percent sign is a name like others.

A reading is only made where the path has what it is about. The path is decoded
once, with marks in place of encoded slashes, backslashes, semicolons and dots,
and what all readings hold together is bounded, so that the cost is linear in
the length of the path and small.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Callable

MOST_SEGMENTS = 100
"""A path that is not plain has no more segments than this, because every reading of it costs time."""
MOST_READ = 1_000
"""All readings of a path together have no more segments than this."""
MOST_TEXT = 65_536
"""All texts that a path becomes before it is cut into segments have no more characters than this."""

Segments = tuple[str, ...]

# Characters that Unicode keeps free for such a use. A client that sends one itself only gets more readings by it.
_SLASH, _BACKSLASH, _SEMICOLON, _DOT = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
_MARKS = (("%2f", "%2F", _SLASH), ("%5c", "%5C", _BACKSLASH), ("%3b", "%3B", _SEMICOLON), ("%2e", "%2E", _DOT))
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PARAMETERS = re.compile(r";[^/]*")
_ALL_PARAMETERS = re.compile(f"[;{_SEMICOLON}][^/]*")
_CONTROL_CHARACTERS = "".join(map(chr, (*range(1, 32), 127)))
_CONTROLS = re.compile(f"[{_CONTROL_CHARACTERS}]+")
_BOUNDARY = f"/;{_SLASH}{_SEMICOLON}{_BACKSLASH}\\\\{_CONTROL_CHARACTERS}"
_DOT_SEGMENT = re.compile(f"(?<![^{_BOUNDARY}])([.{_DOT}]{{1,2}})(?![^{_BOUNDARY}])")
_DOTS = frozenset({".", ".."})
_MEANING = {_SLASH: "/", _BACKSLASH: "\\", _SEMICOLON: ";", _DOT: "."}
_PLAIN_DOTS = {marked: marked.replace(_DOT, ".") for marked in (_DOT, f".{_DOT}", f"{_DOT}.", _DOT * 2)}


class PathError(ValueError):
    """A request path whose readings can't be listed: too many, or a NUL, where some servers end it."""


def is_plain(path: str) -> bool:
    """Whether `path` certainly has a single reading: the segments between its slashes."""
    return "%" not in path and "//" not in path and "/." not in path and "\\" not in path and ";" not in path


def readings(path: str) -> list[Segments]:
    """The segments of `path` as sent, then as any upstream may read them; segments are percent-decoded.

    Raises PathError.
    """
    if is_plain(path):
        return [tuple(path.split("/")[1:])]
    if "%00" in path:
        raise PathError("The path must not contain NUL.")
    decoded = _decoded(path)
    separators = sum(map(decoded.count, ("/", "\\", _SLASH, _BACKSLASH)))
    if separators > MOST_SEGMENTS:
        raise PathError(f"A path that can be read in more than one way must have at most {MOST_SEGMENTS} segments.")
    known = dict.fromkeys([tuple(text.split("/")[1:]) for text in _texts(decoded)])
    for step in _STEPS:
        known |= dict.fromkeys([read for reading in known for read in step(reading)])
        if len(known) + sum(map(len, known)) > MOST_READ:
            raise _too_many()
    as_sent, *others = known
    for *_, mark in _MARKS:
        if mark in decoded:
            as_sent = tuple([segment.replace(mark, _MEANING[mark]) for segment in as_sent])
    if _DOT not in decoded:
        return [as_sent, *others]
    return [as_sent, *[tuple([_PLAIN_DOTS.get(segment, segment) for segment in reading]) for reading in others]]


def _too_many() -> PathError:
    return PathError("The path can be read in too many ways; send its normal form.")


def _decoded(path: str) -> str:
    """`path` percent-decoded, with marks for encoded separators and, in dot segments, for encoded dots."""
    if "%" not in path:
        return path
    for lower, upper, mark in _MARKS:
        path = path.replace(lower, mark).replace(upper, mark)
    if "%" in path:
        # As quoted-printable, whose decoder is the only one of this kind in the library that is not a loop in Python.
        raw = _NO_ESCAPE.sub(b"%25", path.encode("utf-8", "surrogateescape"))
        path = a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"=")).decode("utf-8", "surrogateescape")
    if _DOT in path:
        parts = _DOT_SEGMENT.split(path)
        parts[::2] = [part.replace(_DOT, ".") for part in parts[::2]]
        path = "".join(parts)
    return path


def _texts(decoded: str) -> list[str]:
    """`decoded`, then what becomes of it by what is done to a path before it is cut into segments."""
    texts = [decoded]

    def add(*made: Callable[[str], str]) -> None:
        texts.extend([make(text) for make in made for text in texts])
        if len(texts) > 2 and len(texts) * len(decoded) > MOST_TEXT:
            raise _too_many()

    if "\\" in decoded:
        add(lambda text: text.replace("\\", "/"))
    if ";" in decoded:
        add(lambda text: _PARAMETERS.sub("", text), lambda text: text.partition(";")[0])
    if _SLASH in decoded or _BACKSLASH in decoded:
        add(lambda text: text.replace(_SLASH, "/"))
        if _BACKSLASH in decoded or "\\" in decoded:
            add(lambda text: text.replace("\\", "/").replace(_BACKSLASH, "/"))
    if _SEMICOLON in decoded or (";" in decoded and len(texts) > 3):
        add(lambda text: _ALL_PARAMETERS.sub("", text))
    if _CONTROLS.search(decoded):
        add(lambda text: text.rstrip(_CONTROL_CHARACTERS), lambda text: _CONTROLS.sub("", text))
    return texts


def _without_host(segments: Segments) -> list[Segments]:
    """Without what stands behind two slashes or more at the beginning, and with all of it behind one."""
    if segments[0] or len(segments) == 1:
        return []
    start = next((place for place, segment in enumerate(segments) if segment), len(segments))
    return [segments[start + 1 :] or ("",), segments[start:] or ("",)]


def _without_empty(segments: Segments) -> list[Segments]:
    """Doubled slashes merged; an empty last segment is a slash at the end and stays."""
    if "" not in segments[:-1]:
        return []
    return [(*[segment for segment in segments[:-1] if segment], segments[-1])]


def _without_plain_dots(segments: Segments) -> list[Segments]:
    """Dot segments resolved, but those that were encoded."""
    return _resolved(segments, segments)


def _without_dots(segments: Segments) -> list[Segments]:
    """All dot segments resolved."""
    plain = tuple([_PLAIN_DOTS.get(segment, segment) for segment in segments])
    return [] if plain == segments else _resolved(segments, plain)


def _resolved(segments: Segments, plain: Segments) -> list[Segments]:
    """Dot segments resolved, with a slash behind one at the end, and without (RFC 3986 section 5.2.4)."""
    if _DOTS.isdisjoint(plain):
        return []
    kept: list[str] = []
    for segment, dots in zip(segments, plain, strict=True):
        if dots == "..":
            if kept:
                kept.pop()
        elif dots != ".":
            kept.append(segment)
    if plain[-1] not in _DOTS:
        return [tuple(kept)]
    return [(*kept, ""), tuple(kept) or ("",)]


_STEPS: tuple[Callable[[Segments], list[Segments]], ...] = (
    _without_host,
    _without_empty,
    _without_plain_dots,
    _without_dots,
    _without_empty,
    _without_host,
)
