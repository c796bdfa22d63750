"""Requests for whole responses in codings that can be decoded: only such responses can be compared.

Each side has validators of its own (RFC 9110 section 8.8), so a condition that
holds on one side fails on the other, and *not modified* says nothing about what
the response would have been. A browser accepts codings that the judge may not
decode.
"""

from __future__ import annotations

import re

from strangler.comparison.response import DECODED

CONDITIONS = frozenset(
    (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range")
)
"""Fields that ask for less than the whole response (RFC 9110 sections 13.1 and 14.2)."""

PARTIAL = frozenset((206, 304, 412, 416))
"""Statuses by which a server responds to such a field."""

ACCEPT_ENCODING = b"accept-encoding"

NAME_LENGTHS = frozenset(map(len, (*CONDITIONS, ACCEPT_ENCODING)))
"""Distinguishes most other fields at once."""

_CONDITION_LINES = re.compile(
    rb"^(?:if-(?:none-match|match|modified-since|unmodified-since|range)|range):[^\r\n]*\r\n",
    re.IGNORECASE | re.MULTILINE,
)
_ACCEPT_ENCODING_LINES = re.compile(rb"^(accept-encoding:)([^\r\n]*)\r\n", re.IGNORECASE | re.MULTILINE)
_DECODED = frozenset((*DECODED, b"identity"))


def without_conditions(head: bytes) -> bytes:
    """The head of a request without fields that ask for less than the whole response."""
    return _CONDITION_LINES.sub(b"", head)


def decodable(value: bytes) -> bool:
    """Whether an Accept-Encoding names nothing but what can be decoded."""
    return all(_coding(item) in _DECODED for item in value.split(b","))


def decodable_encodings(value: bytes) -> bytes:
    """An Accept-Encoding without what can't be decoded; not empty, for without a value any coding would do."""
    kept = [item.strip(b" \t") for item in value.split(b",") if _coding(item) in _DECODED]
    return b", ".join(kept) or b"identity"


def with_decodable_encodings(head: bytes) -> bytes:
    """The head of a request that accepts no content coding which can't be decoded."""
    return _ACCEPT_ENCODING_LINES.sub(lambda line: b"%b %b\r\n" % (line[1], decodable_encodings(line[2])), head)


def _coding(item: bytes) -> bytes:
    return item.partition(b";")[0].strip(b" \t").lower()
