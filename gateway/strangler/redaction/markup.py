"""HTML and XML without what is secret in them.

Tags and attributes stay, and so do texts, unless they are named like a
credential: by the element (`<password>`), by an attribute (`data-token`), or by
what the element says it is (`<input name="password" value="…">`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from strangler.redaction.names import SecretNames
from strangler.redaction.shapes import REDACTED
from strangler.redaction.text import Shown, unescaped_html

_TAG = re.compile(r"<(/?)([A-Za-z_][\w:.-]*+)")
_BEGINS = re.compile(r"<(?=[A-Za-z_/!?])")
_ATTRIBUTE = re.compile(r"[\s/]*+(?P<name>=?[^\s=>/]*+)(?:\s*+=\s*+(?P<value>\"[^\"]*+\"?|'[^']*+'?|[^\s>]*+))?+")
_TAG_ENDS = re.compile(r"[\s/]*+(>|\Z)")

_NAMING = frozenset(("autocomplete", "field", "for", "id", "itemprop", "key", "name", "property", "type"))
"""Attributes that say what an element is."""

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_RAW = frozenset(("script", "style"))
_NOT_TEXT = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<!", ">"), ("<?", ">"))
_SAYS_NOTHING = frozenset(
    ("autofocus", "checked", "disabled", "hidden", "multiple", "readonly", "required", "selected")
)
_MOST_LABEL = 60


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag: how it is shown, whether it stands alone, and whether its element is a credential."""

    name: str
    closing: bool
    shown: str
    alone: bool
    secret: bool
    end: int


def without_secrets(markup: str, names: SecretNames, shown: Shown) -> str:
    """`markup` without what is secret by its names; `shown` is what may be shown of the texts in it."""
    return _Markup(markup, names, shown).redacted()


class _Markup:
    def __init__(self, markup: str, names: SecretNames, shown: Shown) -> None:
        self.markup = markup
        self.names = names
        self.shown = shown
        self.pieces: list[str] = []
        self.labelled = False

    def redacted(self) -> str:
        """All of it, read from the beginning to the end."""
        markup, at = self.markup, 0
        while at < len(markup):
            begins = self._find(_BEGINS, at)
            if begins > at:
                self._text(markup[at:begins])
                at = begins
            elif (opening := _TAG.match(markup, at)) is not None:
                at = self._element(opening)
            else:
                at = self._other(at)
        return "".join(self.pieces)

    def _text(self, text: str) -> None:
        """A text; what follows a label such as `Password` is a value."""
        plain = unescaped_html(text)
        if not plain.strip():
            self.pieces.append(text)
        elif self.labelled:
            self.labelled = False
            self.pieces.append(REDACTED)
        else:
            self.labelled = len(plain) <= _MOST_LABEL and plain.strip(" \t\r\n:*=") in self.names
            shown = self.shown(plain)
            self.pieces.append(text if shown == plain else shown.replace("<", "&lt;"))

    def _element(self, opening: re.Match[str]) -> int:
        """A tag, and with it what is secret, or no markup, after it; where the rest begins."""
        tag = self._tag(opening)
        self.pieces.append(tag.shown)
        if tag.closing:
            return tag.end
        if tag.alone:
            # `/>` ends no element in HTML: what follows may be in it.
            self.labelled = self.labelled or (tag.secret and tag.name not in _VOID)
            return tag.end
        if tag.secret and tag.name != "label":
            self.pieces.append(REDACTED)
            return self._closing(tag)
        if tag.name in _RAW:
            ends = self._find(re.compile(f"</{tag.name}", re.I), tag.end)
            self.pieces.append(self.shown(self.markup[tag.end : ends]))
            return ends
        return tag.end

    def _tag(self, opening: re.Match[str]) -> _Tag:
        name, at = opening[2].lower(), opening.end()
        attributes: list[re.Match[str]] = []
        while (ends := _TAG_ENDS.match(self.markup, at)) is None:
            attribute = _ATTRIBUTE.match(self.markup, at)
            assert attribute is not None, "it matches anything"
            attributes.append(attribute)
            at = attribute.end()
        says = [_value(one) for one in attributes if one["name"].lower() in _NAMING]
        secret = not ends[1] or name in self.names or any(value in self.names for value in says)
        if name == "input" and self.labelled:
            secret, self.labelled = True, False
        shown = [self._attribute(attribute, secret) for attribute in attributes]
        closes = self.markup[at : ends.end()]
        alone = name in _VOID or "/" in self.markup[at - 1 : ends.end()]
        return _Tag(name, bool(opening[1]), "".join([opening[0], *shown, closes]), alone, secret, ends.end())

    def _attribute(self, attribute: re.Match[str], secret: bool) -> str:
        """An attribute; of an element that is secret only those stay that say what it is."""
        name, value = attribute["name"], _value(attribute)
        lowered = name.lower()
        if self.shown(name) != name or (not attribute["value"] and secret and lowered not in _SAYS_NOTHING):
            return f" {REDACTED}"
        if name in self.names or (secret and lowered not in _NAMING):
            shown = REDACTED if value else value
        else:
            shown = self.shown(value)
        if shown == value:
            return attribute[0]
        quoted = shown.replace('"', "&quot;")
        return f' {name}="{quoted}"'

    def _closing(self, tag: _Tag) -> int:
        """Where the end tag of an element begins; the end where it has none."""
        depth = 1
        for tag_match in re.compile(rf"<(/?){re.escape(tag.name)}(?=[\s/>])", re.I).finditer(self.markup, tag.end):
            depth += -1 if tag_match[1] else 1
            if not depth:
                return tag_match.start()
        return len(self.markup)

    def _find(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.search(self.markup, at)
        return len(self.markup) if match is None else match.start()

    def _other(self, at: int) -> int:
        """A comment, a declaration, or a `<` that is none of these."""
        for begins, ends in _NOT_TEXT:
            if self.markup.startswith(begins, at):
                inner = at + len(begins)
                end = self.markup.find(ends, inner)
                after = len(self.markup) if end < 0 else end
                self._inner(begins, self.markup[inner:after])
                if end >= 0:
                    self.pieces.append(ends)
                return len(self.markup) if end < 0 else end + len(ends)
        self.pieces.append("<")
        return at + 1

    def _inner(self, begins: str, text: str) -> None:
        """What stands in a comment or the like; that of a CDATA section is a text of its element."""
        self.pieces.append(begins)
        if begins == "<![CDATA[" and self.labelled and text.strip():
            self.labelled = False
            self.pieces.append(REDACTED)
        elif "<!entity" in text.lower() or (begins == "<!" and text[:6].lower() == "entity"):
            self.pieces.append(REDACTED)
        else:
            self.pieces.append(self.shown(text))


def _value(attribute: re.Match[str]) -> str:
    """The value of an attribute; that without one is empty."""
    value = attribute["value"] or ""
    if value[:1] in ('"', "'"):
        value = value[1:].removesuffix(value[0])
    return unescaped_html(value)
