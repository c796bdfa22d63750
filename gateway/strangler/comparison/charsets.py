"""The text of a body, decoded such that different bytes never become the same text by accident.

The charset is that of a byte order mark, else the one in Content-Type, else the
one that the page or the XML declares itself, else UTF-8. Labels are interpreted
as in browsers (WHATWG Encoding section 4.2): `iso-8859-1` is windows-1252. A byte
that is invalid in the charset becomes its own lone surrogate (PEP 383), not
U+FFFD, which would be the same for all.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Literal, NamedTuple

Markup = Literal["html", "xml", ""]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_OF_MARKS = frozenset(mark[:1] for mark, _ in _MARKS)
_LOOKED_AT = 1024
"""Bytes at the beginning of a page in which it may declare its charset (HTML section 4.2.5.4)."""

_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
_DECLARATION = re.compile(rb"\A<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z][\w.-]*)[\"']")
_UTF16_XML = {b"<\0?\0": "utf-16-le", b"\0<\0?": "utf-16-be"}

# fmt: off
_MEANT = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "shift_jis": "cp932", "gb2312": "gbk", "euc_kr": "cp949", "utf-16": "utf-16-le", "utf-32": "utf-32-le",
}
# fmt: on
"""From Python's name of a codec to the one that browsers use. Without a byte order mark UTF-16 is little-endian."""

_LABELS = {"windows-31j": "cp932", "x-sjis": "cp932", "x-gbk": "gbk", "x-cp1252": "cp1252", "x-cp1251": "cp1251"}
"""Labels of browsers that Python does not know."""

_NO_CHARSETS = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"))
"""Codecs of Python that are not a body's charset, or decode two different bodies to the same text."""


class ReadText(NamedTuple):
    """The text of a body. `charset` is Python's name of the declared one, None if there is none.

    `whole` is false if bytes are invalid in the charset.
    """

    text: str
    charset: str | None
    whole: bool


def read(body: bytes, declared: str | None = None, markup: Markup = "") -> ReadText:
    """Return the text of `body`; `declared` is the charset in its Content-Type."""
    mark, charset = _charset(body, declared, markup)
    body = body[mark:]
    used = charset or "utf-8"
    try:
        return ReadText(body.decode(used), charset, True)
    except ValueError:
        pass
    try:
        return ReadText(body.decode(used, "surrogateescape"), charset, False)
    except ValueError:  # invalid UTF-16 can contain bytes below 128, which have no surrogate
        return ReadText(body.decode("utf-8", "surrogateescape"), charset, False)


def _charset(body: bytes, declared: str | None, markup: Markup) -> tuple[int, str | None]:
    """Return the length of the byte order mark, and the declared codec."""
    if body[:1] in _FIRST_OF_MARKS:
        for mark, codec in _MARKS:
            if body.startswith(mark):
                return len(mark), codec
    encoding = codec_of(declared) if declared else None
    if encoding is None and markup == "html":
        match = _META.search(_COMMENT.sub(b"", body[:_LOOKED_AT]))
        encoding = codec_of(match[1].decode("latin-1")) if match else None
        if encoding is not None and encoding.startswith("utf-16"):
            encoding = "utf-8"  # the declaration was read as ASCII
    elif encoding is None and markup == "xml":
        match = _DECLARATION.search(body[:_LOOKED_AT])
        encoding = _UTF16_XML.get(body[:4]) or (codec_of(match[1].decode("latin-1")) if match else None)
    return 0, encoding


@lru_cache(256)
def codec_of(label: str) -> str | None:
    """Return Python's name of the codec that a browser uses for that charset label; None if it isn't one."""
    try:
        label = label.strip().lower()
        name = codecs.lookup(_LABELS.get(label, label)).name
        b"a".decode(name, "ignore")  # this rejects codecs that are not between bytes and text
    except (LookupError, ValueError):
        return None
    return None if name in _NO_CHARSETS else _MEANT.get(name, name)
