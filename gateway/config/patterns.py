"""Path patterns, and the segments of a request path that they are compared with.

    /a/b        exactly this path
    *           one segment that is not empty
    {name}      the same, with a name
    **          the rest, also none of it; only at the end

A pattern is written as people write paths: literal text is compared with the
percent-decoded segment (RFC 3986 section 6.2.2.2), so `/café` matches
`/caf%C3%A9`.

A request path may be read in more than one way. As sent, its segments are
what stands between the slashes. An upstream may take an encoded slash or a
backslash for a slash, drop `;parameters`, empty segments and dot segments, or
do only some of that: a WSGI application decodes `%2F` and leaves `..` alone, a
URL library resolves `..` and leaves `%2F` alone. Where two readings would
choose differently the request is refused (`gateway.routing.decide`), so that
no spelling of a path dodges a rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

MOST_SEGMENTS = 100
"""A path that is not plain has no more segments than this, because every reading of it costs time."""

_SEPARATOR = re.compile(r"/|\\|%2f|%5c", re.IGNORECASE)
_PARAMETERS = re.compile(r";[^/]*")
_NAME = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


class PatternError(ValueError):
    """A path pattern that can't be understood; the message says why."""


class PathError(ValueError):
    """A request path whose readings can't be told: too many segments, or a NUL, where some servers end it."""


class Kind(Enum):
    """How one segment of a pattern is compared, most specific first."""

    LITERAL = 0
    ONE = 1
    REST = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a pattern; `text` is the literal, or the capture's name."""

    kind: Kind
    text: str = ""


def parse_pattern(pattern: str) -> tuple[Segment, ...]:
    """The segments of a pattern.

    Raises PatternError.
    """
    if not pattern.startswith("/"):
        raise PatternError(f"path {pattern!r} must start with '/'")
    if "?" in pattern or "#" in pattern:
        raise PatternError(f"path {pattern!r} must not hold '?' or '#'; use match.query for the query")
    parts = pattern.split("/")[1:]
    names: set[str] = set()
    segments = []
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        segments.append(_parse_segment(pattern, part, last))
        if segments[-1].kind is Kind.ONE and segments[-1].text:
            if segments[-1].text in names:
                raise PatternError(f"path {pattern!r} names {{{segments[-1].text}}} twice")
            names.add(segments[-1].text)
    return tuple(segments)


def _parse_segment(pattern: str, part: str, last: bool) -> Segment:
    if part == "**":
        if not last:
            raise PatternError(f"path {pattern!r}: '**' is allowed at the end only")
        return Segment(Kind.REST)
    if part == "*":
        return Segment(Kind.ONE)
    if _NAME.fullmatch(part):
        return Segment(Kind.ONE, part[1:-1])
    if any(mark in part for mark in "*{}"):
        raise PatternError(f"path {pattern!r}: '*', '**' and '{{name}}' must each be a whole segment")
    text = unquote(part, errors="surrogateescape")
    if text in (".", "..") or (not part and not last) or any(mark in text for mark in "/\\;"):
        raise PatternError(f"path {pattern!r} is not in normal form, so nothing could match it")
    return Segment(Kind.LITERAL, text)


def is_plain(path: str) -> bool:
    """Whether there is surely one reading of `path`, what stands between its slashes."""
    return "%" not in path and "//" not in path and "/." not in path and "\\" not in path and ";" not in path


def readings(path: str) -> list[tuple[str, ...]]:
    """The segments of `path` as sent, then as any upstream may read them; segments are percent-decoded.

    Raises PathError.
    """
    if is_plain(path):
        return [tuple(path.split("/")[1:])]
    if "%00" in path:
        raise PathError("A path holds no NUL.")
    if len(_SEPARATOR.findall(path)) > MOST_SEGMENTS:
        raise PathError(f"A path that could be read in more than one way has at most {MOST_SEGMENTS} segments.")
    # Backslashes may be turned and parameters dropped before anything is decoded, or afterwards.
    texts = dict.fromkeys((path, path.replace("\\", "/")))
    texts |= dict.fromkeys([_PARAMETERS.sub("", text) for text in texts])
    found: dict[tuple[str, ...], None] = {}
    for text in texts:
        decoded = unquote(text, errors="surrogateescape")
        found[tuple([unquote(segment, errors="surrogateescape") for segment in text.split("/")[1:]])] = None
        found[tuple(decoded.split("/")[1:])] = None
        found[tuple(decoded.replace("\\", "/").split("/")[1:])] = None
    for step in (_without_parameters, _without_empty, _without_dots, _without_empty):
        found |= dict.fromkeys([step(reading) for reading in found])
    return list(found)


def _without_parameters(segments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([segment.partition(";")[0] for segment in segments])


def _without_empty(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Doubled slashes merged; an empty last segment is a slash at the end and stays."""
    return (*[segment for segment in segments[:-1] if segment], *segments[-1:])


def _without_dots(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Dot segments resolved (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in ((".",), ("..",)):
        kept.append("")
    return tuple(kept)
