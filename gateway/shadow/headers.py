"""Compare the headers that matter.

What is the same by the rules of a header is no difference: the case of a
media type (RFC 9110 section 8.3.1), the charset of JSON, which has none
(RFC 8259 section 11), the order of directives and lists, the letters of a
percent-escape (RFC 3986 section 6.2.2.1).
"""

from __future__ import annotations

import re

from gateway.shadow.acceptance import ABSENT
from gateway.shadow.answer import Answer
from gateway.shadow.cookies import compare_cookies
from gateway.shadow.difference import Kind, shown
from gateway.shadow.findings import Findings

_LISTS = frozenset(
    (
        b"cache-control",
        b"vary",
        b"allow",
        b"access-control-allow-methods",
        b"access-control-allow-headers",
        b"access-control-expose-headers",
    )
)
"""Headers that are lists in any order, of words in any case."""

_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


def compare_headers(legacy: Answer, extracted: Answer, findings: Findings) -> None:
    """Add the differences of the headers that the rules name to `findings`."""
    for name in findings.rules.headers:
        one, other = legacy.values(name), extracted.values(name)
        if name == b"set-cookie":
            compare_cookies(one, other, findings)
            continue
        if _meaning(name, one) == _meaning(name, other):
            continue
        said = _joined(one), _joined(other)
        kind = Kind.VALUE if one and other else Kind.MISSING if one else Kind.EXTRA
        values = (said[0] if one else ABSENT, said[1] if other else ABSENT)
        texts = (shown(said[0]) if one else None, shown(said[1]) if other else None)
        path = f"header:{name.decode('latin-1')}"
        findings.add(path, kind, values, findings.rules.for_header(name), texts, path)


def _joined(values: list[bytes]) -> str:
    """The values of the headers of one name as one (RFC 9110 section 5.3)."""
    return b", ".join(values).decode("latin-1")


def media_type(answer: Answer) -> tuple[str, dict[str, str]]:
    """The media type in lower case and its parameters; nothing where the answer names none."""
    values = answer.values(b"content-type")
    if not values:
        return "", {}
    name, *rest = values[-1].decode("latin-1").split(";")
    parameters = {}
    for item in rest:
        key, _, value = item.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"')
    return name.strip().lower(), parameters


def is_json(name: str) -> bool:
    """Whether a media type is JSON (RFC 6839 section 3.1)."""
    return name in ("application/json", "text/json") or name.endswith("+json")


def _meaning(name: bytes, values: list[bytes]) -> object:
    """What a header says: the same for headers that mean the same; None where it isn't there."""
    if not values:
        return None
    text = _joined(values)
    if name == b"content-type":
        kind, parameters = media_type(Answer(0, ((name, values[-1]),), b""))
        if "charset" in parameters:
            parameters["charset"] = parameters["charset"].lower()
        if is_json(kind) and parameters.get("charset") == "utf-8":
            del parameters["charset"]
        return kind, parameters
    if name in _LISTS:
        return sorted({item.strip().lower() for item in text.split(",")} - {""})
    if name == b"location":
        return _ESCAPE.sub(lambda escape: escape[0].upper(), text)
    return text
