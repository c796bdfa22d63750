"""What of a pair may reach a disk or a screen.

Credentials never do: the values of Authorization and of cookies, anything that
looks like a bearer token, and fields with the names that credentials usually
have. The configuration adds names of its own. Names are compared without case.
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote_plus

import orjson

REDACTED = "[redacted]"

CREDENTIALS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "csrfmiddlewaretoken",
        "id_token",
        "passwd",
        "password",
        "proxy-authorization",
        "refresh_token",
        "secret",
        "session",
        "sessionid",
        "set-cookie",
        "token",
        "x-api-key",
        "x-csrf-token",
        "x-csrftoken",
    }
)

# Whatever follows the scheme Bearer (RFC 6750), and a JSON Web Token (RFC 7519) or an encrypted one. What only begins
# like a token is matched, too, so that a long text is read once and not again from each `eyJ` in it.
_TOKEN = re.compile(
    r"(?<=\b[Bb]earer )(?P<bearer>[A-Za-z0-9._~+/=-]+)"
    r"|eyJ(?:[A-Za-z0-9_-]{8,}+(?P<token>(?:\.[A-Za-z0-9_-]*){1,4})?|[A-Za-z0-9_-]*)"
)
_FORM = "application/x-www-form-urlencoded"
_NAME = re.compile(r"[A-Za-z0-9_-]+")


# Without a key, one could try all e-mail addresses or numbers; two digests are only compared within one pair.
_KEY = secrets.token_bytes(16)


def _without_tokens(text: str) -> str:
    return _TOKEN.sub(lambda found: found[0] if found.lastgroup is None else REDACTED, text)


def digest(data: bytes) -> str:
    """What is kept of a value that may not be: enough to see whether two of one pair are the same."""
    return blake2b(data, digest_size=8, key=_KEY).hexdigest()


class Redaction:
    """Redacts by the names of fields in `names` and those of credentials."""

    def __init__(self, names: frozenset[str] = frozenset()) -> None:
        self.names = names | CREDENTIALS
        listed = "|".join(sorted(map(re.escape, self.names)))
        # In text that may be cut: the value is a string, or whatever stands before the next comma or bracket.
        self._in_json = re.compile(rf'("(?:{listed})"\s*:\s*)("(?:[^"\\]|\\.)*"?|[\[{{].*|[^,}}\]\s]+)', re.I | re.S)

    def text(self, text: str) -> str:
        """`text` without what looks like a token, and without named fields where it is JSON or a part of it."""
        return _without_tokens(self._in_json.sub(rf'\1"{REDACTED}"', text))

    def target(self, target: str) -> str:
        """A request target without the values of named query parameters."""
        path, mark, query = target.partition("?")
        return _without_tokens(path) + mark + self.form(query)

    def form(self, text: str) -> str:
        """The pairs of a query or form."""
        return "&".join(self._parameter(pair) for pair in text.split("&"))

    def _parameter(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        if unquote_plus(name).lower() in self.names:
            return f"{name}{equals}{REDACTED}"
        return f"{_without_tokens(name)}{equals}{_without_tokens(value)}"

    def headers(self, headers: tuple[tuple[bytes, bytes], ...]) -> list[list[str]]:
        """Header fields as text, the values of named ones replaced."""
        return [
            [name.decode("latin-1"), self._header(name.decode("latin-1"), value.decode("latin-1"))]
            for name, value in headers
        ]

    def _header(self, name: str, value: str) -> str:
        if name.lower() == "set-cookie":
            # The name and the attributes say what a cookie is for; the value is the caller's.
            cookie, _, attributes = value.partition(";")
            return f"{cookie.partition('=')[0]}={REDACTED}" + (f";{attributes}" if attributes else "")
        if name.lower() in ("location", "content-location", "referer"):
            return self.target(value)
        return REDACTED if name.lower() in self.names else _without_tokens(value)

    def body(self, content_type: str, body: bytes) -> str | None:
        """A body as text; None for one that is not text. Compressed bodies must have been decoded."""
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return None
        media = content_type.partition(";")[0].strip().lower()
        if media == _FORM:
            return self.form(text)
        if media.endswith("json"):
            try:
                return orjson.dumps(self.value(orjson.loads(body)), option=orjson.OPT_INDENT_2).decode()
            except orjson.JSONDecodeError:
                return self.text(text)
            except (orjson.JSONEncodeError, RecursionError):
                # It can be read, but is nested too deep to be gone through and written.
                return REDACTED
        return self.text(text)

    def value(self, value: Any) -> Any:
        """A JSON value, the values of named fields replaced at every depth."""
        if isinstance(value, dict):
            return {
                name: REDACTED if name.lower() in self.names else self.value(inner) for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.value(inner) for inner in value]
        return _without_tokens(value) if isinstance(value, str) else value

    def at(self, path: str, value: str | None) -> str | None:
        """The value that stands at `path` of an answer, as text."""
        if value is None:
            return None
        if any(name.lower() in self.names for name in _NAME.findall(path)):
            return REDACTED
        return self.text(value)
