"""What groups differences stays short enough to be a key of the store."""

from __future__ import annotations

import json

from strangler.comparison.compare import compare
from strangler.comparison.findings import LONGEST_SIGNATURE
from strangler.comparison.response import Response
from strangler.config.compile.compare import DEFAULT_RULES


def signature(key: str) -> str:
    """That of a key which the extracted side lacks."""
    legacy = Response(200, ((b"content-type", b"application/json"),), json.dumps({key: 1}).encode())
    (found,) = compare(legacy, Response(200, legacy.headers, b"{}"), DEFAULT_RULES).differences
    assert key in found.path
    return found.signature


def test_long_signatures_are_cut_and_still_told_apart() -> None:
    assert signature("a") == "missing $.a"
    long, other = (signature("key " * 1000 + end) for end in "bc")
    assert len(long) <= LONGEST_SIGNATURE
    assert long != other
    assert long == signature("key " * 1000 + "b")
