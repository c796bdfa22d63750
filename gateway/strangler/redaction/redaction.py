"""What of a pair may be stored or shown.

Credentials never are: the values of Authorization and of cookies, anything that
looks like a token or a card number (`strangler.redaction.shapes`), and
fields with the names that credentials usually have, or data on money, identity
and health (`strangler.redaction.names`). The configuration adds names and
can turn card numbers off.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote_plus

from strangler.model.shadow import Redact
from strangler.redaction.bodies import SecretBodies
from strangler.redaction.markup import without_secrets
from strangler.redaction.names import SecretNames, normalised
from strangler.redaction.shapes import REDACTED, SecretShapes
from strangler.redaction.text import MOST_ENCODINGS, SecretText, load_json, unescaped_html

__all__ = ["REDACTED", "KeptBody", "Redaction", "digest"]

_URLS = frozenset(("content-location", "location", "referer", "x-original-url", "x-rewrite-url", "x-forwarded-uri"))
_COOKIE_ATTRIBUTES = frozenset(
    ("domain", "expires", "httponly", "max-age", "partitioned", "path", "priority", "samesite", "secure")
)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STEP = re.compile(r'\.([^\W\d]\w*)|\[("(?:[^"\\]|\\.)*")\]|\[(?:[0-9]+|\*)\]')
_IN_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\W\d][\w-]*)')
_OF_FIELD = re.compile(r"(?:[a-z ]+ )?(?:cookie|header):")
_HELD_BY_FORMS = re.compile(r"/(?:input|meta|param|button|option)(?:\[\d+\])?/@(?:value|content)|/textarea\b")
_COUNTS = re.compile(r"\d+ (?:bytes, sha256 [0-9a-f]+|children|elements|lines)")
_NOT_OF_BODY = re.compile(r"\A(?:no )?JSON: ")
_TAGS = re.compile(r"<[^<>]*>")

_UNFINISHED = re.compile(r"[^\",{}\[\]]*…\Z")
_BY_DEFAULT = Redact()

# Without a key, one could try all e-mail addresses or numbers; two digests are only compared within one pair.
_KEY = secrets.token_bytes(16)


def digest(data: bytes) -> str:
    """What is kept of a value that may not be: enough to see whether two of one pair are the same."""
    return blake2b(data, digest_size=8, key=_KEY).hexdigest()


class KeptBody:
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
    """Redacts by what `said` adds to the names and shapes of credentials."""

    def __init__(self, said: Redact = _BY_DEFAULT) -> None:
        self.names = SecretNames(said.names)
        self._shapes = SecretShapes(said.card_numbers)
        self._texts = SecretText(self.names, self._shapes, without_secrets)
        self._bodies = SecretBodies(self._texts, self.form)

    def text(self, text: str) -> str:
        """`text` without what is secret, whatever it is."""
        return self._texts.text(text)

    def value(self, value: Any) -> Any:
        """A JSON value without what is secret, at every depth."""
        return self._texts.value(value)

    def body(self, content_type: str, body: bytes) -> str | None:
        """A body as text; None if it is not text or can't be parsed. It must have been decompressed."""
        return self._bodies.body(content_type, body)

    def target(self, target: str) -> str:
        """A request target, or a URL, without the values of named parameters in its path, query and fragment."""
        rest, number_sign, fragment = self._shapes.without(target).partition("#")
        path, mark, query = rest.partition("?")
        place, mark_of_place, query_of_place = fragment.partition("?")
        return (
            "/".join(self._segment(segment) for segment in path.split("/"))
            + f"{mark}{self._query(query)}{number_sign}{self._query(place)}{mark_of_place}{self._query(query_of_place)}"
        )

    def form(self, text: str) -> str:
        """The pairs of a form."""
        return "&".join(self._pairs(pairs, self.names.__contains__) for pairs in text.split("&"))

    def _query(self, text: str) -> str:
        """The pairs of a query; that of an authorization response (RFC 6749 section 4.1.2) has a code and a state."""
        pairs = text.split("&")
        authorization = any(pair.startswith("state=") for pair in pairs)

        def secret(name: str) -> bool:
            return self.names.in_query(name) or (authorization and normalised(name) == "code")

        return "&".join(self._pairs(pair, secret) for pair in pairs)

    def _pairs(self, text: str, secret: Callable[[str], bool]) -> str:
        """A pair; or several, for those who take `;` for what stands between them."""
        shown: list[str] = []
        for pair in text.split(";"):
            name, equals, value = pair.partition("=")
            if equals and secret(_unquoted(name)):
                # The rest may be of its value.
                return ";".join([*shown, f"{self.text(name)}={REDACTED}"])
            shown.append(f"{self.text(name)}{equals}{self.text(value)}")
        return ";".join(shown)

    def _segment(self, segment: str) -> str:
        """A segment of a path, which may have parameters of its own (`;jsessionid=…`)."""
        first, semicolon, parameters = segment.partition(";")
        return self.text(first) + semicolon + (self._pairs(parameters, self.names.in_query) if semicolon else "")

    def headers(self, headers: tuple[tuple[bytes, bytes], ...]) -> list[list[str]]:
        """Header fields as text, the values of named ones replaced."""
        return [self._field(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]

    def _field(self, name: str, value: str) -> list[str]:
        if _FIELD_NAME.fullmatch(name) is None:
            return [REDACTED, REDACTED]
        if name.lower() == "set-cookie":
            return [name, self._cookie(value)]
        return [self._shapes.without(name), self._header(name, value)]

    def _header(self, name: str, value: str) -> str:
        if self.names.in_header(name):
            return REDACTED
        shown = self.target(value) if name.lower() in _URLS else self.text(value)
        # What was taken apart may hold characters that no header can.
        return shown if shown == value or shown.isascii() else REDACTED

    def _cookie(self, value: str) -> str:
        """The name and the attributes say what a cookie is for; the value is the caller's."""
        cookie, *attributes = value.split(";")
        name, equals, _ = cookie.partition("=")
        shown = [f"{self._shapes.without(name)}={REDACTED}" if equals else REDACTED]
        for attribute in attributes:
            key, _, said = attribute.partition("=")
            known = key.strip().lower() in _COOKIE_ATTRIBUTES and "=" not in said
            shown.append(self._shapes.without(attribute) if known else f" {REDACTED}")
        return ";".join(shown)

    def path(self, path: str) -> str:
        """The path of a difference, or its signature; keys of JSON and names of attributes stand in it as they are."""
        return self._shapes.without(path) if _OF_FIELD.match(path) else self._texts.up_to_secret(self._keys(path))

    def found_at(self, path: str, place: str) -> tuple[str, str]:
        """The path and the place of a difference, such that they can be counted, stored and shown.

        Those of JSON hold no tokens (`strangler.comparison.json.document`).
        """
        if path.startswith("$"):
            return self._keys(path), self._keys(place, "[*]")
        return self.path(path), self.path(place)

    def _keys(self, path: str, hidden: str = f'["{REDACTED}"]') -> str:
        """A JSONPath, alone or in a signature, with `hidden` for the keys of what belongs to a redacted name."""
        secret = False
        pieces: list[str] = []
        at = path.find("$") + 1
        end = at
        while at and (step := _STEP.match(path, end)) is not None:
            bare, quoted = step[1], step[2]
            key = bare if quoted is None else _key(quoted)
            if secret and key is not None:
                pieces += [path[at : step.start()], hidden]
                at = step.end()
            secret = secret or (key is not None and key in self.names)
            end = step.end()
        return "".join([path[:at] if not pieces else path[: path.find("$") + 1], *pieces, path[at:]])

    def differ_inside(self, path: str, legacy: object, extracted: object) -> bool:
        """Whether two values at `path` of a response are the same but for what is certainly secret in them."""
        kind, colon, name = path.partition(":")
        if legacy == extracted or path == "status":
            return False
        if colon and kind == "cookie":
            return "@" not in name
        if (colon and kind == "header" and self.names.in_header(name)) or (path[:1] in "$/" and self._is_named(path)):
            return True
        if isinstance(legacy, str) and isinstance(extracted, str):
            shown = self._in_text(legacy)
            return REDACTED in shown and shown == self._in_text(extracted)
        numbers = (int, float)
        return (
            isinstance(legacy, numbers)
            and isinstance(extracted, numbers)
            and self._shapes.number(legacy)
            and self._shapes.number(extracted)
        )

    def texts_differ_inside(self, path: str, legacy: str | None, extracted: str | None) -> bool:
        """The same of values that are written as text, and may have been cut."""
        if legacy is None or extracted is None:
            return False
        if not path.startswith("$"):
            return not legacy.endswith("…") and self.differ_inside(path, legacy, extracted)
        try:
            return self.differ_inside(path, load_json(legacy), load_json(extracted))
        except (ValueError, RecursionError):
            return self._is_named(path)

    def _in_text(self, text: str) -> str:
        """A text without what begins and ends for certain: all else in it stays to be compared."""
        is_url = text.startswith(("/", "http://", "https://")) and not text.count(" ")
        return self.target(text) if is_url else self._shapes.without(text)

    def _is_named(self, path: str) -> bool:
        return any((quoted or bare) in self.names for quoted, bare in _IN_PATH.findall(path))

    def at(self, path: str, value: str | None, kept: KeptBody | None = None) -> str | None:
        """The value that stands at `path` of a response, as text; `kept` is what is kept of the response's body."""
        if value is None or path == "status":
            return value
        kind, colon, name = path.partition(":")
        if kind == "header" and colon:
            return self._header(name, value)
        if kind == "cookie" and colon:
            attribute = name.rpartition("@")[2].lower() if "@" in name else ""
            return self.text(value) if attribute in _COOKIE_ATTRIBUTES or value == "is set" else REDACTED
        if self._is_named(path):
            return REDACTED
        if _COUNTS.fullmatch(value):
            return value
        return self._in_body(path, value, kept)

    def _json(self, value: str) -> str:
        """A JSON value, which may have been truncated: then an incomplete secret can't be recognized by its shape."""
        if not value.startswith(('"', "{", "[")):
            try:
                return value if self.value(load_json(value)) != REDACTED else REDACTED
            except ValueError:
                return self.text(value)
        shown = self.text(value)
        return shown if value.startswith('"') else _UNFINISHED.sub("…", shown)

    def _in_body(self, path: str, value: str, kept: KeptBody | None) -> str:
        if path.startswith("$"):
            shown = self._json(value)
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


def _key(quoted: str) -> str:
    key = load_json(quoted)
    assert isinstance(key, str), "it stands in quotes"
    return key


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
