"""The body of a request in an HTTP Archive, where the archive holds it as it was sent.

Browsers write bodies as text, whatever they were: bytes that are no text become
U+FFFD, some leave bodies out, and some cut them off. A body that can't be told
to be the one that was sent is not recorded, and its request is not asked:
another body would ask for something else.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_TEXTUAL = re.compile(
    r"text/.*|application/(x-www-form-urlencoded|x-ndjson|sql|.*(json|xml|javascript|ecmascript|graphql|yaml))"
    r"|.*\+(json|xml|yaml)"
)
_UNKNOWN = -1
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What is known of a body's size: by Content-Length, and by the archive, which may count characters."""

    sent: int | None
    noted: int | None

    def fit(self, body: bytes, characters: int) -> bool:
        """Whether `body`, which has `characters`, is as long as what was sent; true if that is unknown."""
        if self.sent is not None:
            return len(body) == self.sent
        return self.noted is None or self.noted in (_UNKNOWN, 0, len(body), characters)

    @property
    def known(self) -> bool:
        """Whether the size is known at all."""
        return self.sent is not None or (self.noted or 0) > 0


def body_of(request: Mapping[str, Any], fields: Fields) -> bytes | None:
    """The body of `request`, whose header fields are `fields`; None where it is not in the archive as it was sent.

    Adds a Content-Type that only the body's description names. Raises ValueError for what is no archive's form.
    """
    noted = request.get("bodySize")
    sizes = _Sizes(_content_length(fields), noted if isinstance(noted, int) else None)
    posted = request.get("postData")
    if not posted:
        chunked = any(name.lower() == "transfer-encoding" for name, _ in fields)
        unknown = sizes.sent is None and sizes.noted == _UNKNOWN and request["method"].upper() in _WITH_BODY
        empty = not (sizes.sent or (sizes.noted or 0) > 0 or chunked or unknown)
        return b"" if empty else None
    media = posted.get("mimeType") or ""
    if media and not any(name.lower() == "content-type" for name, _ in fields):
        fields.append(("Content-Type", media))
    text, parameters = posted.get("text"), posted.get("params")
    if text:
        return _of_text(posted, str(text), media, fields, sizes)
    if parameters:
        return _of_parameters(parameters, media, sizes)
    if sizes.known:
        return b"" if sizes.sent == 0 else None
    return b"" if text is not None or sizes.noted == 0 else None


def _content_length(fields: Fields) -> int | None:
    values = {value.strip() for name, value in fields if name.lower() == "content-length"}
    value = values.pop() if len(values) == 1 else ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _of_text(posted: Mapping[str, Any], text: str, media: str, fields: Fields, sizes: _Sizes) -> bytes | None:
    if posted.get("encoding") == "base64":
        try:
            body = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(f"postData.text is not base64: {error}") from None
        return body if sizes.fit(body, len(body)) else None
    coded = {value.strip().lower() for name, value in fields if name.lower() == "content-encoding"}
    if coded - {"", "identity"}:
        return None  # the text is what was coded
    kind = media.partition(";")[0].strip().lower()
    is_binary = bool(kind) and _TEXTUAL.fullmatch(kind) is None
    if is_binary and (_REPLACEMENT in text or not (text.isascii() or sizes.known)):
        return None
    charset = _charset(media, fields)
    if not text.isascii() and charset is not None and not sizes.known:
        return None  # in which of the two it was sent is not known
    for encoding in filter(None, ("utf-8", charset)):
        try:
            body = text.encode(encoding)
        except (UnicodeError, LookupError):
            continue
        if sizes.fit(body, len(text)):
            return body
    return None


def _charset(media: str, fields: Fields) -> str | None:
    """The charset that a Content-Type names, None where it is UTF-8."""
    named = [value for name, value in fields if name.lower() == "content-type"]
    declared = _CHARSET.search(named[0] if named else media)
    return None if declared is None or declared[1].lower() in ("utf-8", "utf8") else declared[1]


def _of_parameters(parameters: list[Mapping[str, Any]], media: str, sizes: _Sizes) -> bytes | None:
    """A form, which is written again from its fields; None for a form of another kind, or of another length."""
    if not media.startswith("application/x-www-form-urlencoded"):
        return None
    body = urlencode([(one["name"], one.get("value") or "") for one in parameters]).encode()
    return body if sizes.fit(body, len(body)) else None
