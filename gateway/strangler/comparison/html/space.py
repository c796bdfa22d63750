"""White space of a page as CSS collapses it (CSS Text 3 section 4.1.1, with the default styles of HTML section 15.3).

A run of white space becomes one space. It is removed at the beginning and the
end of a block, and after another space. Controls are inline blocks: white space
at their inner ends is removed, that around them counts. Elements that are not
displayed do not affect their line.
"""

from __future__ import annotations

import re

from strangler.comparison.html.nodes import Element, Text

_SPACE = re.compile(r"[ \t\n\r\f]+")
_VERBATIM = frozenset(("listing", "plaintext", "pre", "textarea", "xmp"))
_RAW = frozenset(("script", "style"))

# fmt: off
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "col", "colgroup", "dd",
    "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frame",
    "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "listing",
    "main", "menu", "nav", "ol", "optgroup", "option", "p", "plaintext", "pre", "rt", "rp", "search", "section",
    "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "xmp",
))
_IN_LINES = frozenset((
    "audio", "button", "canvas", "embed", "iframe", "img", "input", "meter", "object", "progress", "select", "svg",
    "textarea", "video",
))
_NOT_DISPLAYED = frozenset((
    "area", "base", "basefont", "datalist", "head", "link", "meta", "noembed", "noframes", "param", "script",
    "source", "style", "template", "title", "track",
))
# fmt: on
"""All other elements, including custom ones, are inline."""


def collapse(root: Element) -> None:
    """Collapse the white space in `root`, and drop texts that become empty."""
    _Line().block(root)
    waiting = [root]
    while waiting:
        element = waiting.pop()
        element.children = [child for child in element.children if isinstance(child, Element) or child.value]
        waiting += [child for child in element.children if isinstance(child, Element)]


class _Line:
    """The current line: whether it ends in a space, and in which text."""

    def __init__(self) -> None:
        self.after_space = True
        self.last: Text | None = None

    def block(self, element: Element) -> None:
        """Lay out the content of a block element."""
        self._end()
        if element.tag in _RAW:
            for child in element.children:
                if isinstance(child, Text):
                    child.value = child.value.strip()
        elif element.tag not in _VERBATIM:
            self._content(element)
        self._end()

    def _content(self, element: Element) -> None:
        for child in element.children:
            if isinstance(child, Text):
                self._text(child)
            elif child.tag in _BLOCKS:
                self.block(child)
            elif child.tag in _NOT_DISPLAYED:
                _Line().block(child)
            elif child.tag in _IN_LINES:
                _Line().block(child)
                self.after_space, self.last = False, None
            else:
                self._content(child)

    def _text(self, text: Text) -> None:
        collapsed = _SPACE.sub(" ", text.value)
        text.value = collapsed.removeprefix(" ") if self.after_space else collapsed
        if text.value:
            self.after_space = text.value.endswith(" ")
            self.last = text

    def _end(self) -> None:
        if self.last is not None:
            self.last.value = self.last.value.removesuffix(" ")
        self.after_space, self.last = True, None
