"""Compare the headers that matter.

Values that are equivalent by a header's own rules are no difference: the case of
a media type (RFC 9110 section 8.3.1), UTF-8 as the charset of JSON, which needs
none (RFC 8259 section 11), a charset declared here or by the body itself, labels
of one charset, the order of directives and lists, the case of a percent-escape
(RFC 3986 section 6.2.2.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from strangler.comparison.charsets import Markup, ReadText, codec_of, read
from strangler.comparison.cookies import compare_cookies
from strangler.comparison.difference import DifferenceKind, shown
from strangler.comparison.findings import Findings, FoundDifference
from strangler.comparison.response import Response, TooLarge, Undecodable, decoded
from strangler.comparison.tolerances import ABSENT

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
"""Headers that are unordered lists of case-insensitive words."""

REFUSALS = {401: b"www-authenticate", 407: b"proxy-authenticate", 405: b"allow"}
"""Statuses with the header that tells a client how to proceed (RFC 9110 sections 11.6.1, 11.7.1 and 15.5.6)."""

_CHALLENGES = frozenset((b"www-authenticate", b"proxy-authenticate"))
_NEW_EACH_TIME = re.compile(r'(?:nonce|opaque)=(?:"[^"]*"|[^,\s]*)', re.IGNORECASE)
_QUOTED_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,')

_JSON = frozenset(("application/json", "text/json", "application/x-json", "text/x-json", "application/csp-report"))
_JSON_LINES = frozenset(
    f"{kind}/{name}"
    for kind in ("application", "text")
    for name in ("jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "ndjson", "x-ndjson", "json-lines", "stream+json")
)

_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


def compare_headers(legacy: Response, extracted: Response, findings: Findings) -> None:
    """Add the differences of the headers that the rules name to `findings`, and of the header of a refusal."""
    named = findings.rules.headers
    refusal = REFUSALS.get(legacy.status) if legacy.status == extracted.status else None
    if refusal is not None and refusal not in named:
        compare_header(refusal, legacy, extracted, findings)
    for name in named:
        if name == b"set-cookie":
            one, other = legacy.values(name), extracted.values(name)
            if one != other:
                compare_cookies(one, other, findings)
        else:
            compare_header(name, legacy, extracted, findings)


def compare_header(name: bytes, legacy: Response, extracted: Response, findings: Findings) -> None:
    """Add the difference of the header `name`, in lower case, if there is one."""
    one, other = legacy.values(name), extracted.values(name)
    if (
        one == other
        or _meaning(name, one) == _meaning(name, other)
        or (name == b"content-type" and _same_content(legacy, extracted))
    ):
        return
    said = _joined(one), _joined(other)
    kind = DifferenceKind.VALUE if one and other else DifferenceKind.MISSING if one else DifferenceKind.EXTRA
    values = (said[0] if one else ABSENT, said[1] if other else ABSENT)
    texts = (shown(said[0]) if one else None, shown(said[1]) if other else None)
    path = f"header:{name.decode('latin-1')}"
    findings.add(FoundDifference(path, kind, values, texts, path), findings.rules.for_header(name))


def _same_content(legacy: Response, extracted: Response) -> bool:
    """Return whether two Content-Types differ only because one of the bodies declares the charset itself."""
    (kind, parameters), (other_kind, other_parameters) = media_type(legacy), media_type(extracted)
    if kind != other_kind or not kind or ("charset" in parameters) is ("charset" in other_parameters):
        return False
    charset, other_charset = _declared_charset(legacy), _declared_charset(extracted)
    without = [
        {key: value for key, value in said.items() if key != "charset"} for said in (parameters, other_parameters)
    ]
    return without[0] == without[1] and charset is not None and charset == other_charset


def _declared_charset(response: Response) -> str | None:
    """Return the charset that a response declares in its Content-Type or its body."""
    try:
        return text_of(decoded(response)).charset
    except (TooLarge, Undecodable):
        return None


def text_of(response: Response) -> ReadText:
    """Return the body of a response, without content coding, as text in the charset that the response declares."""
    name, parameters = media_type(response)
    markup: Markup = "html" if name == "text/html" else "xml" if name.endswith(("+xml", "/xml")) else ""
    return read(response.body, parameters.get("charset"), markup)


def _joined(values: list[bytes]) -> str:
    """Return the values of the headers of one name, combined (RFC 9110 section 5.3)."""
    return b", ".join(values).decode("latin-1")


def media_type(response: Response) -> tuple[str, Mapping[str, str]]:
    """Return the media type in lower case and its parameters; empty if the response has none."""
    values = response.values(b"content-type")
    return _media_type(values[-1]) if values else ("", {})


@lru_cache(256)
def _media_type(value: bytes) -> tuple[str, Mapping[str, str]]:
    name, *rest = value.decode("latin-1").split(";")
    parameters = {}
    for item in rest:
        key, _, text = item.partition("=")
        parameters[key.strip().lower()] = text.strip().strip('"')
    return name.strip().lower(), parameters


def is_json(name: str) -> bool:
    """Return whether a media type is one JSON document (RFC 6839 section 3.1)."""
    return name.endswith("+json") or name in _JSON or name.startswith("application/x-amz-json")


def is_json_lines(name: str) -> bool:
    """Return whether a media type is JSON documents, one per line."""
    return name in _JSON_LINES


def is_json_sequence(name: str) -> bool:
    """Return whether a media type is JSON text sequences (RFC 7464, RFC 8091)."""
    return name == "application/json-seq" or name.endswith("+json-seq")


def _meaning(name: bytes, values: list[bytes]) -> object:
    """Return the meaning of a header, equal for equivalent headers; None if it is missing."""
    if not values:
        return None
    text = _joined(values)
    if name in _CHALLENGES:
        return _challenges(text)
    if name == b"content-type":
        kind, said = _media_type(values[-1])
        parameters = dict(said)
        if "charset" in parameters:
            parameters["charset"] = codec_of(parameters["charset"]) or parameters["charset"].lower()
        if is_json(kind) and parameters.get("charset") == "utf-8":
            del parameters["charset"]
        return kind, parameters
    if name in _LISTS:
        return sorted({item.strip().lower() for item in text.split(",")} - {""})
    if name == b"location":
        return _ESCAPE.sub(lambda escape: escape[0].upper(), text)
    return text


def _challenges(text: str) -> list[str]:
    """Return the content of challenges: schemes, realms and so on, without values that are new in each response."""
    known = _NEW_EACH_TIME.sub("", text)
    parts = _QUOTED_OR_COMMA.sub(lambda match: "\n" if match[0] == "," else match[0], known).split("\n")
    said = (" ".join(part.split()) for part in parts)
    return sorted(_scheme_in_lower_case(part) for part in said if part)


def _scheme_in_lower_case(part: str) -> str:
    name, equals, value = part.partition("=")
    return f"{name.lower()}{equals}{value}"
