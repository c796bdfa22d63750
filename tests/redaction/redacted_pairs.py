"""Pairs with what must not be kept, and all that is kept of them."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import orjson

from strangler.comparison.compare import compare
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.redaction.redaction import Redaction
from strangler.replay.har.writing import har_of
from strangler.shadow.evidence.document import documented
from strangler.shadow.pair import Pair, SideResponse


def answered(content_type: str, body: bytes, *fields: bytes) -> SideResponse:
    head = b"".join(b"%b\r\n" % field for field in (b"Content-Type: " + content_type.encode(), *fields))
    return SideResponse("http://127.0.0.1:1", 200, head, body, 0.1)


def pair(
    fields: bytes, legacy: SideResponse, extracted: SideResponse, target: bytes = b"/items", body: bytes = b""
) -> Pair:
    request = b"POST %b HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (target, fields, body)
    return Pair("items", "items/one", "POST /items", 0.0, "legacy", 0, request, "", legacy, extracted)


def kept(whole: Pair, redaction: Redaction) -> str:
    """What is stored and counted of a pair, in both modes of `store`, and what a capture writes."""
    rules = replace(
        DEFAULT_RULES, redaction=redaction, headers=(*DEFAULT_RULES.headers, b"x-note"), cookie_values=frozenset("a")
    )
    comparison = compare(whole.legacy.response, whole.extracted.response, rules)
    documents = [documented(whole, comparison, values, redaction) for values in (True, False)]
    archive = har_of([{"at": 0.0, **documents[0]}])
    counted = [(item.path, item.signature, item.place) for item in comparison.differences]
    return f"{orjson.dumps(documents).decode()} {archive.decode()} {counted}"


def stored(redaction: Redaction, content_type: str, legacy: bytes, extracted: bytes, in_urls: bool = False) -> str:
    """What is kept of a pair whose requests and responses hold `legacy` and `extracted`."""
    urls = [b"/items?a=b&next=" + quote(body, safe="").encode() if in_urls else b"/" for body in (legacy, extracted)]
    one, other = (
        answered(content_type, body, b"Location: " + url) for body, url in zip((legacy, extracted), urls, strict=True)
    )
    fields = b"Content-Type: %b\r\nReferer: %b\r\n" % (content_type.encode(), urls[0])
    return kept(pair(fields, one, other, urls[0], legacy), redaction)
