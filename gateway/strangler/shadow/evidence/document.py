"""A pair as it is stored and shown: redacted, with the values or with digests in their place."""

from __future__ import annotations

import re
from typing import Any

from strangler.comparison.compare import Comparison
from strangler.comparison.difference import Difference
from strangler.comparison.headers import text_of
from strangler.comparison.response import Response, TooLarge, Undecodable, decoded
from strangler.redaction.redaction import KeptBody, Redaction, digest
from strangler.shadow.pair import Pair, SideResponse

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

_CHARSET = re.compile(rb";\s*charset\s*=[^;]*", re.IGNORECASE)

_MOST_LOOKED_THROUGH = 1 << 30
"""Characters of bodies, counted once for each difference: a second's work."""


def documented(pair: Pair, comparison: Comparison, values: bool, redaction: Redaction) -> dict[str, Any]:
    """The stored form of `pair`: with its values if `values`, else with digests in their place."""
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
        request["body"] = redaction.body(_content_type(fields), body) if _is_utf8(body) else None
    bodies = _Bodies(redaction)
    legacy, kept_of_legacy = _side(pair.legacy, values, redaction, bodies)
    extracted, kept_of_extracted = _side(pair.extracted, values, redaction, bodies)
    differences = [*comparison.differences, *(one for one, _ in comparison.ignored)]
    kept = _quick([kept_of_legacy, kept_of_extracted], len(differences))
    shown = [_difference(one, values, redaction, kept) for one in differences]
    differing = len(comparison.differences)
    rules = (rule for _, rule in comparison.ignored)
    return {
        "served": pair.served,
        "request": request,
        "values": values,
        "legacy": legacy,
        "extracted": extracted,
        "differences": shown[:differing],
        "ignored": [{**one, "rule": rule} for one, rule in zip(shown[differing:], rules, strict=True)],
        "evidence": comparison.evidence,
    }


class _Bodies:
    """Redacts bodies; that of two responses that are equal, as most are, once."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._kept: dict[tuple[str, bytes], tuple[str | None, KeptBody]] = {}

    def text(self, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> tuple[str | None, KeptBody]:
        """What may be shown of a body, and the same as differences are looked up in it."""
        key = (_content_type(headers), body)
        kept = self._kept.get(key)
        if kept is None:
            text = self._redaction.body(*key)
            kept = self._kept[key] = text, KeptBody(text)
        return kept


def _side(
    answered: SideResponse, values: bool, redaction: Redaction, bodies: _Bodies
) -> tuple[dict[str, Any], KeptBody | None]:
    """One side, and what of its body may be shown in differences; None where none of it can be in there."""
    response = answered.response
    side: dict[str, Any] = {
        "endpoint": answered.endpoint,
        "missing": answered.missing,
        "status": answered.status,
        "seconds": round(answered.seconds, 6),
        "bytes": len(answered.body),
        "digest": digest(answered.body),
    }
    if not values:
        return side, None
    said = [(b"Content-Encoding", coding) for coding in response.unknown_encodings]
    try:
        # A coding that is none is compared, and its body as it is; what has one that is unknown is no text.
        response = decoded(response.without_unknown_encodings())
    except (TooLarge, Undecodable):
        return {**side, "headers": redaction.headers(response.headers), "body": None}, None
    read = text_of(response)
    # Bytes that are no text are written here as in differences, so that those are found in what is kept.
    headers = response.headers if read.charset is None else _in_utf8(response.headers)
    text, kept = bodies.text(headers, read.text.encode("utf-8", "backslashreplace"))
    body = text if read.whole and read.charset in (None, "utf-8") else None
    return {**side, "headers": redaction.headers((*response.headers, *said)), "body": body}, kept


def _in_utf8(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """The Content-Type of a body that is in UTF-8 now."""
    return tuple((name, _CHARSET.sub(b"", value)) for name, value in headers if name.lower() == b"content-type")


def _quick(kept: list[KeptBody | None], differences: int) -> list[KeptBody | None]:
    """The same, unless looking up that many differences in it would take long."""
    length = sum(len(one) for one in kept if one is not None)
    return kept if differences * length <= _MOST_LOOKED_THROUGH else [one and KeptBody(None) for one in kept]


def _is_utf8(body: bytes) -> bool:
    """Whether a body can be stored such that its bytes can be had again."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _content_type(headers: tuple[tuple[bytes, bytes], ...]) -> str:
    types = Response(0, headers, b"").values(b"content-type")
    return types[0].decode("latin-1") if types else ""


def _difference(
    difference: Difference, values: bool, redaction: Redaction, kept: list[KeptBody | None]
) -> dict[str, Any]:
    def shown(value: str | None, of_side: KeptBody | None) -> str | None:
        if value is None or values:
            return redaction.at(difference.path, value, of_side)
        return f"digest {digest(value.encode())}"

    return {
        "path": redaction.path(difference.path),
        "kind": str(difference.kind),
        "risk": str(difference.risk),
        "signature": redaction.path(difference.signature),
        "legacy": shown(difference.legacy, kept[0]),
        "extracted": shown(difference.extracted, kept[1]),
        # Else two values that are shown alike seem to be no difference.
        "inside_redaction": redaction.texts_differ_inside(difference.path, difference.legacy, difference.extracted),
    }
