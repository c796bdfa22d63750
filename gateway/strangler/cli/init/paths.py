"""Django's routes as the gateway's path patterns.

A converter or group that is a whole segment becomes a capture, one that is a
part of a segment becomes `*`, and one that takes slashes becomes `**` at the
end. What a pattern can't express has none: an optional part, a choice, a
repetition outside of a group.
"""

from __future__ import annotations

import re

_CONVERTER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
_GROUP = re.compile(r"\(\?P<(?P<name>\w+)>")
_MARK = "\0"
_ANY = re.compile(f"{_MARK}(\\w+)(/?){_MARK}")
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")
_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")


def path_pattern(route: str, *, regex: bool) -> str | None:
    """The path pattern of Django's `route`, None if there is none; `regex` if a part is a regular expression."""
    marked: str | None = _CONVERTER.sub(_mark_of_converter, _without_groups(route) if regex else route)
    if regex:
        assert marked is not None
        marked = _literal(marked)
    if marked is None:
        return None
    segments = ["" if not part else _segment(part) for part in marked.split("/")]
    for number, segment in enumerate(segments):
        if segment is None or (segment == "**" and number < len(segments) - 1):
            return None
    names = [segment for segment in segments if segment and segment.startswith("{")]
    # A pattern has each name once.
    return "/" + "/".join(
        "*" if segment in names and names.count(segment) > 1 else segment or "" for segment in segments
    )


def _mark_of_converter(found: re.Match[str]) -> str:
    return f"{_MARK}{found['name']}{'/' if found['kind'] == 'path' else ''}{_MARK}".replace("/", "\1")


def _without_groups(route: str) -> str:
    """`route` with a mark in place of each named group; one that takes slashes is marked as such."""
    parts, rest = [], route
    while found := _GROUP.search(rest):
        end = _end_of_group(rest, found.end())
        inner = rest[found.end() : end]
        takes_slashes = bool(re.search(r"\.[*+]", inner)) or "/" in re.sub(r"\[\^[^\]]*\]", "", inner)
        parts += [rest[: found.start()], f"{_MARK}{found['name']}{chr(1) if takes_slashes else ''}{_MARK}"]
        rest = rest[end + 1 :]
    return "".join((*parts, rest))


def _end_of_group(text: str, start: int) -> int:
    """Where the group that is open at `start` ends."""
    depth, in_class, place = 1, False, start
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return place
        place += 1
    return len(text)


def _literal(marked: str) -> str | None:
    """A regular expression of literal text and marks as that text, None if it has more than that."""
    text = marked.removeprefix("^")
    for end in (r"\Z", r"\z", "$"):
        text = text.removesuffix(end)
    unescaped = _ESCAPED.sub("", text)
    if _SPECIAL.search(unescaped):
        return None
    return _ESCAPED.sub(r"\1", text)


def _segment(part: str) -> str | None:
    part = part.replace("\1", "/")
    if _MARK not in part:
        return part if not re.search(r"[*{}?#]", part) else None
    found = _ANY.fullmatch(part)
    if found is None:
        return "*" if "/" not in part else None
    return "**" if found[2] else f"{{{found[1]}}}"
