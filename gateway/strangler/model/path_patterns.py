"""Path patterns, and the segments of a request path that they are compared with.

    /a/b        exactly this path
    *           one segment that is not empty
    {name}      the same, with a name
    **          the rest, also none of it; only at the end

A pattern is written as people write paths: literal text is compared with the
percent-decoded segment (RFC 3986 section 6.2.2.2), so `/café` matches
`/caf%C3%A9`.

How a request path is read is in `strangler.routing.readings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

_NAME = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


class PatternError(ValueError):
    """A path pattern that can't be understood; the message is the reason."""


class SegmentKind(Enum):
    """How one segment of a pattern is compared, most specific first."""

    LITERAL = 0
    ONE = 1
    REST = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a pattern; `text` is the literal, or the capture's name."""

    kind: SegmentKind
    text: str = ""


def parse_pattern(pattern: str) -> tuple[Segment, ...]:
    """The segments of a pattern.

    Raises PatternError.
    """
    if not pattern.startswith("/"):
        raise PatternError(f"path {pattern!r} must start with '/'")
    if "?" in pattern or "#" in pattern:
        raise PatternError(f"path {pattern!r} must not contain '?' or '#'; use match.query for the query")
    parts = pattern.split("/")[1:]
    names: set[str] = set()
    segments = []
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        segments.append(_parse_segment(pattern, part, last))
        if segments[-1].kind is SegmentKind.ONE and segments[-1].text:
            if segments[-1].text in names:
                raise PatternError(f"path {pattern!r} names {{{segments[-1].text}}} twice")
            names.add(segments[-1].text)
    return tuple(segments)


def _parse_segment(pattern: str, part: str, last: bool) -> Segment:
    if part == "**":
        if not last:
            raise PatternError(f"path {pattern!r}: '**' is allowed only at the end")
        return Segment(SegmentKind.REST)
    if part == "*":
        return Segment(SegmentKind.ONE)
    if _NAME.fullmatch(part):
        return Segment(SegmentKind.ONE, part[1:-1])
    if any(mark in part for mark in "*{}"):
        raise PatternError(f"path {pattern!r}: '*', '**' and '{{name}}' must each be a whole segment")
    text = unquote(part, errors="surrogateescape")
    if text in (".", "..") or (not part and not last) or any(mark in text for mark in "/\\;"):
        raise PatternError(f"path {pattern!r} is not in normal form, so no request could match it")
    return Segment(SegmentKind.LITERAL, text)
