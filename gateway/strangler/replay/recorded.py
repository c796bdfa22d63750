"""Requests that were recorded, and what of a recording is not asked, with the reason.

A request is kept as it would go out: its target byte for byte, its header
fields in their order. Left out are fields that belong to the connection it came
on (RFC 9110 section 7.6.1), those that the client that asks sets by itself, and
those whose values a capture has redacted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from strangler.comparison.response import DECODED
from strangler.redaction.redaction import REDACTED

_NOT_REPEATED = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "http2-settings", "expect"),
        *("host", "content-length"),
    )
)
_CODINGS = frozenset(("identity", *(coding.decode() for coding in DECODED)))
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What a request line can hold; `%` stays, so that what is encoded already is not encoded twice.
TARGET_SAFE = "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class RecordingError(Exception):
    """A recording can't be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request to ask again.

    `host` is where it went, None where that was not recorded. `source` says
    where it stands, for people. `operation` is the method and the pattern of the
    path where that is known, `route` the name of a migration's route. `redacted` names fields that are missing
    because their values were never recorded.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    host: str | None = None
    source: str = ""
    operation: str | None = None
    route: str | None = None
    redacted: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(slots=True)
class RecordedRequests:
    """The requests of a recording in their order, and how many were left out for which reason.

    `unfilled` are operations of an API description that lack a value, `left_out`
    parts of an operation that are not requested although it is, `unreadable` the
    parts of a recording that can't be read, each as a sentence.
    """

    requests: list[RecordedRequest] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unfilled: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def add_unreadable(self, sentence: str) -> None:
        """Count a part of the recording that can't be read, and keep why."""
        self.skipped["can't be read"] += 1
        self.unreadable.append(sayable(sentence))

    def only_methods(self, methods: frozenset[str]) -> None:
        """Leave out requests of other methods."""
        kept = []
        for request in self.requests:
            if request.method in methods:
                kept.append(request)
            else:
                self.skipped[f"method {request.method}"] += 1
        self.requests = kept


def sayable(text: str) -> str:
    """`text` as every output can take it: lone surrogates, which JSON may hold, are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def target_of(url: str) -> tuple[str, str | None]:
    """The request target and the host of an absolute URL, or of a path with its query; no fragment.

    What a request line can't hold is percent-encoded (as UTF-8), all else stays
    as it is. Raises ValueError.
    """
    text = url.partition("#")[0]
    if text.startswith("/"):
        return quote(text, safe=TARGET_SAFE), None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is neither a path that starts with '/' nor an http(s) URL")
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host")
    rest = text.partition("://")[2]
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    target = rest[len(authority) :]
    if not target.startswith("/"):
        target = f"/{target}"
    host = authority.rpartition("@")[2].lower()
    default = ":443" if parts.scheme == "https" else ":80"
    return quote(target, safe=TARGET_SAFE), host.removesuffix(default).removesuffix(":")


def method_of(text: str) -> str:
    """The method of a recorded request, in capitals. Raises ValueError."""
    if _TOKEN.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no method")
    return text.upper()


def fields_of(headers: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The header fields that are sent again, and the names of those whose values were redacted.

    Raises ValueError for what is no header field.
    """
    kept: list[tuple[str, str]] = []
    redacted: list[str] = []
    for name, value in headers:
        if name.startswith(":") or name.lower() in _NOT_REPEATED:
            continue
        value = value.strip(" \t")
        if _TOKEN.fullmatch(name) is None or _CONTROL.search(value) is not None or not _is_unicode(value):
            raise ValueError(f"{name!r} is no header field that can be sent")
        if REDACTED in value:
            redacted.append(name)
        elif name.lower() == "accept-encoding":
            kept.append((name, _understood(value)))
        else:
            kept.append((name, value))
    return tuple(kept), tuple(redacted)


def _is_unicode(text: str) -> bool:
    """Whether `text` has a form in UTF-8: it holds no lone surrogate."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _understood(accepted: str) -> str:
    """The content codings of an Accept-Encoding that a comparison can undo, or `identity` where there is none."""
    items = [item.strip() for item in accepted.split(",")]
    return ", ".join(item for item in items if item.partition(";")[0].strip().lower() in _CODINGS) or "identity"
