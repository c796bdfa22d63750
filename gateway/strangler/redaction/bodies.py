"""Removes secrets from bodies, by media type.

A body that can't be parsed as its media type is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from strangler.redaction.shapes import REDACTED
from strangler.redaction.text import SecretText, dump_json, load_json

_FORM = "application/x-www-form-urlencoded"
_LINES = frozenset(("application/jsonl", "application/jsonlines", "application/ndjson", "application/x-ndjson"))
_IN_NO_FORM = re.compile(r"[\"<{\n]|\A\[")
"""Would be encoded in a form."""

_TABLES = frozenset(("text/csv", "text/tab-separated-values"))
_TEXT = re.compile(
    r"|text/.*|application/(?:graphql|(?:x-)?javascript|ecmascript|(?:x-)?yaml|toml|x-sh|sql|jwt)|.*[+/](?:yaml)"
)
_MARKUP = re.compile(r"text/html|.*[+/]xml(?:-.*)?")
_CHARSETS = re.compile(r"utf-?8|(?:us-)?ascii|iso-?8859-.*|latin-?1|(?:windows-|cp)125\d|gb.*|big5.*|shift.?jis|euc-.*")
"""In which ASCII is ASCII, so that names of fields are the same however a body is read."""

_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]+)\"|([^\s;\"]+))", re.I)
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.I)
_PART_NAME = re.compile(r";\s*name\s*=\s*(?:\"((?:[^\"\\\r\n]|\\.)*)\"|([^\s;\"]+))", re.I)
_PART_TYPE = re.compile(r"^content-type:\s*(.+)$", re.I | re.M)
_PART_ENCODED = re.compile(r"^content-transfer-encoding:(?!\s*(?:7bit|8bit|binary)\s*$)", re.I | re.M)
_BLANK_LINE = re.compile(r"\r?\n\r?\n")
_MOST_NESTED = 3


class SecretBodies:
    """Removes secrets from bodies; `form` removes them from forms."""

    def __init__(self, texts: SecretText, form: Callable[[str], str]) -> None:
        self.texts = texts
        self.form = form

    def body(self, content_type: str, body: bytes) -> str | None:
        """A body as text; None if it is not text or can't be parsed."""
        if not body:
            return ""
        declared = _CHARSET.search(content_type)
        charset = declared[1].lower() if declared is not None else "utf-8"
        if _CHARSETS.fullmatch(charset) is None:
            return None
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            try:
                text = body.decode(charset, "replace")
            except (LookupError, ValueError):
                text = body.decode("utf-8", "replace")
        return None if "\0" in text else self._text(content_type, text.removeprefix("\ufeff"), 0)

    def _text(self, content_type: str, text: str, depth: int) -> str | None:
        media = content_type.partition(";")[0].strip().lower()
        if media == _FORM:
            return self.texts.text(text) if _IN_NO_FORM.search(text.rstrip()) else self.form(text)
        if media.startswith("multipart/"):
            return self._multipart(content_type, text, depth) if depth < _MOST_NESTED else None
        if media in _LINES:
            return self._lines(text)
        if media.endswith("json") or (not media and text.lstrip()[:1] in ("{", "[")):
            return self._json(text)
        if media in _TABLES:
            return self._table(text)
        if _MARKUP.fullmatch(media) or _TEXT.fullmatch(media):
            return self.texts.markup(text) if text.lstrip().startswith("<") else self.texts.text(text)
        return None

    def _json(self, text: str) -> str:
        try:
            return dump_json(self.texts.value(load_json(text)), indent=True)
        except ValueError:
            return self.texts.text(text)
        except (RecursionError, TypeError):
            # It can be read, but is nested too deep to be gone through and written.
            return REDACTED

    def _lines(self, text: str) -> str:
        """A JSON document on each line."""
        try:
            return "\n".join(
                dump_json(self.texts.value(load_json(line))) if line.strip() else line for line in text.split("\n")
            )
        except (ValueError, RecursionError, TypeError):
            return self.texts.text(text)

    def _table(self, text: str) -> str:
        """Lines of values, of which nothing is kept where their headings name a credential."""
        headings = text.lstrip().partition("\n")[0]
        if any(heading.strip(" \t\r\"'") in self.texts.names for heading in re.split(r"[,;\t|]", headings)):
            return f"{self.texts.text(headings)}\n{REDACTED}"
        return self.texts.text(text)

    def _multipart(self, content_type: str, text: str, depth: int) -> str | None:
        boundaries = _BOUNDARY.findall(content_type)
        if len(boundaries) != 1:
            return None
        boundary = boundaries[0][0] or boundaries[0][1]
        line = re.compile(rf"(?:\A|\r?\n)--{re.escape(boundary)}(--)?[ \t]*(?=\r?\n|\Z)")
        marks = list(line.finditer(text))
        if not marks or marks[0].start() != 0 or not marks[-1][1]:
            return None
        shown = []
        for mark, following in pairwise(marks):
            part = self._part(text[mark.end() : following.start()], depth)
            shown.append(f"--{boundary}{part}")
        return "\r\n".join([*shown, f"--{boundary}--", ""])

    def _part(self, part: str, depth: int) -> str:
        """A part, from the end of the line of its boundary."""
        blank = _BLANK_LINE.search(part)
        if blank is None:
            return f"\r\n\r\n{REDACTED}"
        head, content = part[: blank.start()], part[blank.end() :]
        names = [quoted or bare for quoted, bare in _PART_NAME.findall(head)]
        kind = _PART_TYPE.search(head)
        shown: str | None = None
        known = len(names) == 1 and "name*" not in head.lower() and self._is_harmless(names[0])
        if known and _PART_ENCODED.search(head) is None:
            shown = self._text(kind[1] if kind is not None else "", content, depth + 1)
        return f"{self.texts.text(head)}\r\n\r\n{REDACTED if shown is None else shown}"

    def _is_harmless(self, name: str) -> bool:
        return name not in self.texts.names and self.texts.text(f"{name}=.") == f"{name}=."
