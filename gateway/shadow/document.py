"""A pair as it is stored and shown: redacted, with the values or with digests in their place."""

from __future__ import annotations

from typing import Any

from gateway.shadow.answer import Answer, TooLarge, Undecodable, decoded
from gateway.shadow.comparison import Comparison
from gateway.shadow.difference import Difference
from gateway.shadow.pair import Answered, Pair
from gateway.shadow.redaction import Redaction, digest

# What a curl command sets itself, or what the gateway added.
_NOT_REPEATED = frozenset(
    {
        "content-length",
        "transfer-encoding",
        "via",
        "x-shadow",
        "x-request-id",
        "traceparent",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    }
)


def documented(pair: Pair, comparison: Comparison, values: bool, redaction: Redaction) -> dict[str, Any]:
    """What is kept of `pair`; `values` tells whether values may be, else digests stand in their place."""
    head, _, body = pair.request.partition(b"\r\n\r\n")
    fields = tuple(
        (name, value.strip(b" \t"))
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        if name.lower().decode("latin-1") not in _NOT_REPEATED
    )
    target = redaction.target(pair.target)
    request: dict[str, Any] = {"method": pair.method, "target": target if values else target.partition("?")[0]}
    if values:
        request["headers"] = redaction.headers(fields)
        request["body"] = _text(fields, body, redaction) if body else ""
    return {
        "served": pair.served,
        "request": request,
        "values": values,
        "legacy": _side(pair.legacy, values, redaction),
        "extracted": _side(pair.extracted, values, redaction),
        "differences": [_difference(one, values, redaction) for one in comparison.differences],
        "ignored": [{**_difference(one, values, redaction), "rule": rule} for one, rule in comparison.ignored],
        "evidence": comparison.evidence,
    }


def _side(answered: Answered, values: bool, redaction: Redaction) -> dict[str, Any]:
    answer = answered.answer
    side: dict[str, Any] = {
        "endpoint": answered.endpoint,
        "status": answered.status,
        "seconds": round(answered.seconds, 6),
        "bytes": len(answered.body),
        "digest": digest(answered.body),
    }
    if values:
        try:
            answer = decoded(answer)
        except (TooLarge, Undecodable):
            return {**side, "headers": redaction.headers(answer.headers), "body": None}
        side["headers"] = redaction.headers(answer.headers)
        side["body"] = _text(answer.headers, answer.body, redaction)
    return side


def _text(headers: tuple[tuple[bytes, bytes], ...], body: bytes, redaction: Redaction) -> str | None:
    types = Answer(0, headers, b"").values(b"content-type")
    return redaction.body(types[0].decode("latin-1") if types else "", body)


def _difference(difference: Difference, values: bool, redaction: Redaction) -> dict[str, Any]:
    legacy, extracted = (redaction.at(difference.path, value) for value in (difference.legacy, difference.extracted))
    if not values:
        legacy = None if difference.legacy is None else f"digest {digest(difference.legacy.encode())}"
        extracted = None if difference.extracted is None else f"digest {digest(difference.extracted.encode())}"
    return {
        "path": difference.path,
        "kind": str(difference.kind),
        "risk": str(difference.risk),
        "signature": difference.signature,
        "legacy": legacy,
        "extracted": extracted,
    }
