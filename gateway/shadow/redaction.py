"""What of a pair may reach a disk or a screen.

Credentials never do: the values of Authorization and of cookies, anything that
looks like a token, and fields with the names that credentials usually have
(`gateway.shadow.secret_names`). The configuration adds names of its own.
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote_plus

from gateway.shadow.secret_bodies import SecretBodies
from gateway.shadow.secret_markup import without_secrets
from gateway.shadow.secret_names import SecretNames
from gateway.shadow.secret_text import MOST_ENCODINGS, REDACTED, SecretText, unescaped_html, without_tokens

__all__ = ["REDACTED", "Kept", "Redaction", "digest"]

_URLS = frozenset(("content-location", "location", "referer", "x-original-url", "x-rewrite-url", "x-forwarded-uri"))
_COOKIE_ATTRIBUTES = frozenset(
    ("domain", "expires", "httponly", "max-age", "partitioned", "path", "priority", "samesite", "secure")
)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_IN_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\W\d][\w-]*)')
_OF_FIELD = re.compile(r"(?:[a-z ]+ )?(?:cookie|header):")
_HELD_BY_FORMS = re.compile(r"/(?:input|meta|param|button|option)(?:\[\d+\])?/@(?:value|content)|/textarea\b")
_COUNTS = re.compile(r"\d+ (?:bytes, sha256 [0-9a-f]+|children|elements|lines)")
_NOT_OF_BODY = re.compile(r"\A(?:no )?JSON: ")
_TAGS = re.compile(r"<[^<>]*>")

# Without a key, one could try all e-mail addresses or numbers; two digests are only compared within one pair.
_KEY = secrets.token_bytes(16)


def digest(data: bytes) -> str:
    """What is kept of a value that may not be: enough to see whether two of one pair are the same."""
    return blake2b(data, digest_size=8, key=_KEY).hexdigest()


class Kept:
    """What is kept of a body: of a difference in it no more is shown than stands in there, too.

    Where a value stands alone, as a line or as a text of a page, only what is
    around it in the body tells that it is a credential's.
    """

    def __init__(self, body: str | None) -> None:
        text = _collapsed(body or "")
        plain = _collapsed(unescaped_html(text))
        self._text = text if plain == text else f"{text} {plain}"

    def __len__(self) -> int:
        return len(self._text)

    def has(self, text: str) -> bool:
        """Whether `text` stands in there, but for white space, tags and what is redacted in it."""
        return all(_collapsed(piece) in self._text for part in text.split(REDACTED) for piece in _TAGS.split(part))


def _collapsed(text: str) -> str:
    return " ".join(text.split())


class Redaction:
    """Redacts by the names of fields in `names` and those of credentials."""

    def __init__(self, names: frozenset[str] = frozenset()) -> None:
        self.names = SecretNames(names)
        self._texts = SecretText(self.names, without_secrets)
        self._bodies = SecretBodies(self._texts, self.form)

    def text(self, text: str) -> str:
        """`text` without what is secret, whatever it is."""
        return self._texts.text(text)

    def value(self, value: Any) -> Any:
        """A JSON value without what is secret, at every depth."""
        return self._texts.value(value)

    def body(self, content_type: str, body: bytes) -> str | None:
        """A body as text; None for one that is not text or can't be taken apart. It must have been decompressed."""
        return self._bodies.body(content_type, body)

    def target(self, target: str) -> str:
        """A request target, or a URL, without the values of named parameters in its path, query and fragment."""
        rest, number_sign, fragment = without_tokens(target).partition("#")
        path, mark, query = rest.partition("?")
        place, mark_of_place, query_of_place = fragment.partition("?")
        return (
            "/".join(self._segment(segment) for segment in path.split("/"))
            + f"{mark}{self.form(query)}{number_sign}{self.form(place)}{mark_of_place}{self.form(query_of_place)}"
        )

    def form(self, text: str) -> str:
        """The pairs of a query or form."""
        return "&".join(map(self._pairs, text.split("&")))

    def _pairs(self, text: str) -> str:
        """A pair; or several, for those who take `;` for what stands between them."""
        shown: list[str] = []
        for pair in text.split(";"):
            name, equals, value = pair.partition("=")
            if equals and _unquoted(name) in self.names:
                # The rest may be of its value.
                return ";".join([*shown, f"{self.text(name)}={REDACTED}"])
            shown.append(f"{self.text(name)}{equals}{self.text(value)}")
        return ";".join(shown)

    def _segment(self, segment: str) -> str:
        """A segment of a path, which may have parameters of its own (`;jsessionid=…`)."""
        first, semicolon, parameters = segment.partition(";")
        return self.text(first) + semicolon + (self._pairs(parameters) if semicolon else "")

    def headers(self, headers: tuple[tuple[bytes, bytes], ...]) -> list[list[str]]:
        """Header fields as text, the values of named ones replaced."""
        return [self._field(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]

    def _field(self, name: str, value: str) -> list[str]:
        if _FIELD_NAME.fullmatch(name) is None:
            return [REDACTED, REDACTED]
        if name.lower() == "set-cookie":
            return [name, _cookie(value)]
        return [without_tokens(name), self._header(name, value)]

    def _header(self, name: str, value: str) -> str:
        if name in self.names:
            return REDACTED
        shown = self.target(value) if name.lower() in _URLS else self.text(value)
        # What was taken apart may hold characters that no header can.
        return shown if shown == value or shown.isascii() else REDACTED

    def path(self, path: str) -> str:
        """The path of a difference, or its signature; keys of JSON and names of attributes stand in it as they are."""
        return without_tokens(path) if _OF_FIELD.match(path) else self._texts.up_to_secret(path)

    def at(self, path: str, value: str | None, kept: Kept | None = None) -> str | None:
        """The value that stands at `path` of an answer, as text; `kept` is what is kept of the answer's body."""
        if value is None or path == "status":
            return value
        kind, colon, name = path.partition(":")
        if kind == "header" and colon:
            return self._header(name, value)
        if kind == "cookie" and colon:
            attribute = name.rpartition("@")[2].lower() if "@" in name else ""
            return self.text(value) if attribute in _COOKIE_ATTRIBUTES or value == "is set" else REDACTED
        if any((quoted or bare) in self.names for quoted, bare in _IN_PATH.findall(path)):
            return REDACTED
        if _COUNTS.fullmatch(value):
            return value
        return self._in_body(path, value, kept)

    def _in_body(self, path: str, value: str, kept: Kept | None) -> str:
        if path.startswith("$"):
            shown = self.text(value)
            # Of other values it is seen in themselves, or numbers, which are written in other ways in what is kept.
            inside = _inside(shown) if value.startswith('"') else ""
        elif path.startswith("/") and _HELD_BY_FORMS.search(path):
            return REDACTED
        else:
            # It may be cut, and what stood in quotes in a page isn't encoded.
            shown = self._texts.up_to_secret(value)
            shown = self.text(value) if shown == value else shown
            inside = "" if path.endswith("/@class") else _NOT_OF_BODY.sub("", shown).removesuffix("…")
        return shown if kept is None or kept.has(inside) else REDACTED


def _inside(text: str) -> str:
    """What is between the quotes of a JSON string, which may have been cut."""
    return text.removeprefix('"').removesuffix("…").removesuffix('"')


def _unquoted(name: str) -> str:
    """A name without percent-escapes, however often they were escaped."""
    for _ in range(MOST_ENCODINGS):
        plain = unquote_plus(name)
        if plain == name:
            break
        name = plain
    return name


def _cookie(value: str) -> str:
    """The name and the attributes say what a cookie is for; the value is the caller's."""
    cookie, *attributes = value.split(";")
    name, equals, _ = cookie.partition("=")
    shown = [f"{without_tokens(name)}={REDACTED}" if equals else REDACTED]
    for attribute in attributes:
        key, _, said = attribute.partition("=")
        known = key.strip().lower() in _COOKIE_ATTRIBUTES and "=" not in said
        shown.append(without_tokens(attribute) if known else f" {REDACTED}")
    return ";".join(shown)
