"""`assert_equivalent`: two responses to the same request mean the same, or a test fails with what differs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any, Protocol

from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.json import document as json_document
from strangler.comparison.response import Response, TooLarge, Undecodable, decoded
from strangler.comparison.rules import Rules
from strangler.comparison.tolerances import ABSENT
from strangler.config.compile.compare import DEFAULT_RULES

MOST_LINES = 80
"""Lines of the bodies' difference that are shown."""

_ZSTD = b"\x28\xb5\x2f\xfd"
"""What a zstd frame begins with (RFC 8878 section 3.1.1)."""

_MOST_BYTES = 200_000
"""Bodies beyond this are not shown line by line, which would take long."""


class HttpxResponse(Protocol):
    """What an httpx.HttpxResponse is taken for: its content is decoded already."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def headers(self) -> Any:
        """The header fields, with `raw` for their bytes."""
        ...

    @property
    def content(self) -> bytes:
        """The body, without content coding."""
        ...


def assert_equivalent(
    legacy_response: HttpxResponse | Response, extracted_response: HttpxResponse | Response, rules: Rules | None = None
) -> None:
    """Fail unless the two responses mean the same by `rules`; without any, by those of a gateway without configuration.

    Both may be an httpx.HttpxResponse, whose body was read, or a Response. Responses
    that are too big to be compared fail, too.
    """
    __tracebackhide__ = True
    legacy, extracted = response_of(legacy_response), response_of(extracted_response)
    comparison = compare(legacy, extracted, rules or DEFAULT_RULES)
    if not comparison.agrees:
        raise AssertionError("\n".join(explained(legacy, extracted, comparison)))


def response_of(response: HttpxResponse | Response) -> Response:
    """A response as it is compared."""
    if isinstance(response, Response):
        return response
    response = Response(response.status_code, tuple(response.headers.raw), response.content)
    if b"zstd" in response.encodings and response.body.startswith(_ZSTD):
        return response  # httpx decodes it only where the package zstandard is installed
    # What is no coding was not undone, and is compared.
    said = b", ".join(response.unknown_encodings)
    headers = tuple((name, value) for name, value in response.headers if name.lower() != b"content-encoding")
    return Response(response.status, (*headers, (b"Content-Encoding", said)) if said else headers, response.body)


def explained(legacy: Response, extracted: Response, comparison: Comparison) -> Iterator[str]:
    """Why the two are not equivalent, in lines."""
    if comparison.outcome is Outcome.NOT_COMPARED:
        yield f"the responses were not compared: {comparison.reason}"
        return
    yield "the extracted response is not equivalent to the legacy one"
    yield ""
    yield f"  legacy     {_described(legacy)}"
    yield f"  extracted  {_described(extracted)}"
    yield ""
    expired = {difference.path: rule for difference, rule in comparison.expired}
    for difference in comparison.differences:
        yield f"  {difference.kind} at {difference.path}  (risk {difference.risk})"
        yield f"    legacy     {_value(difference.legacy)}"
        yield f"    extracted  {_value(difference.extracted)}"
        if difference.path in expired:
            yield f"    the rule {expired[difference.path]!r} let it pass until it expired"
    if comparison.left_out:
        yield f"  and {comparison.left_out} more"
    for difference, rule in comparison.ignored:
        yield f"  ignored by the rule {rule!r}: {difference.kind} at {difference.path}"
    yield from _body_difference(legacy, extracted)


def _described(response: Response) -> str:
    types = response.values(b"content-type")
    media = types[-1].decode("latin-1") if types else "no content type"
    return f"{response.status}, {media}, {len(response.body)} bytes"


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _body_difference(legacy: Response, extracted: Response) -> Iterator[str]:
    one, other = _lines(legacy), _lines(extracted)
    if one is None or other is None or one == other:
        return
    difference = list(difflib.unified_diff(one, other, "legacy body", "extracted body", lineterm="", n=2))
    yield ""
    yield from (f"  {line}" for line in difference[:MOST_LINES])
    if len(difference) > MOST_LINES:
        yield f"  … and {len(difference) - MOST_LINES} lines more"


def _lines(response: Response) -> list[str] | None:
    """The lines of a body, JSON as a person would write it; None where it is no text, or too long."""
    try:
        body = decoded(response, _MOST_BYTES).body
        value = json_document.parse(body)
        if value is not ABSENT and isinstance(value, (dict, list)):
            return json.dumps(json.loads(body), indent=2, ensure_ascii=False, sort_keys=True).splitlines()
        return body.decode("utf-8").splitlines()
    except (TooLarge, Undecodable, ValueError):
        return None
