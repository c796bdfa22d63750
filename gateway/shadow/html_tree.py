"""A page as it is compared: a tree in which what a browser doesn't show makes no difference.

Parsed as browsers parse (by lexbor, the WHATWG algorithm), so that tags that
may be left out are there. Comments are dropped; white space is collapsed as
CSS does it (CSS Text 3 section 4.1.1); classes are a set; attributes have no
order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from gateway.shadow.rules import HtmlRule, Rule

MOST_DEPTH = 150
"""Pages that are nested deeper are compared as text: the time that parsing takes grows with the square of the depth."""

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
# fmt: off
_NOT_NESTING = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "p",
    "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "caption",
    "rb", "rt", "rp", "html", "head", "body",
))
# fmt: on
"""Tags that have no end tag, or whose end tag may be left out: what nests deep holds others, too."""

_SPACE = re.compile(r"[ \t\n\r\f]+")
_VERBATIM = frozenset(("pre", "textarea", "listing"))
_RAW = frozenset(("script", "style"))
# fmt: off
_INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "button", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "img", "input", "ins", "kbd", "label", "mark", "meter", "output", "progress", "q", "s",
    "samp", "select", "small", "span", "strong", "sub", "sup", "svg", "textarea", "time", "tt", "u", "var",
))
# fmt: on
# fmt: off
_BOOLEAN = frozenset((
    "allowfullscreen", "async", "autofocus", "autoplay", "checked", "controls", "default", "defer", "disabled",
    "formnovalidate", "inert", "ismap", "itemscope", "loop", "multiple", "muted", "nomodule", "novalidate",
    "open", "playsinline", "readonly", "required", "reversed", "selected",
))
# fmt: on
"""Attributes that are there or not; what they are set to says nothing (HTML section 2.3.2)."""

_ATOMS = frozenset(("img", "input", "button", "select", "textarea", "svg", "meter", "progress"))


@dataclass(slots=True)
class Text:
    """A piece of text between two tags."""

    value: str


@dataclass(slots=True)
class Element:
    """An element; `rules` are those that select it, each with the part that it holds for."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | Text] = field(default_factory=list)
    rules: list[tuple[str, Rule]] = field(default_factory=list)


def parse(page: str, rules: tuple[HtmlRule, ...]) -> Element | None:
    """The tree of a page; None where there is none, or it is nested too deep."""
    if _seems_deep(page):
        return None
    parsed = LexborHTMLParser(page)
    if parsed.root is None:
        return None
    selected: dict[int, list[tuple[str, Rule]]] = {}
    for rule in rules:
        for node in parsed.css(rule.selector):
            selected.setdefault(node.mem_id, []).append((rule.part, rule.rule))
    root = _element(parsed.root, selected)
    waiting: list[tuple[LexborNode, Element, int]] = [(parsed.root, root, 1)]
    while waiting:
        node, element, depth = waiting.pop()
        if depth > MOST_DEPTH:
            return None
        for child in node.iter(include_text=True):
            last = element.children[-1] if element.children else None
            if child.is_text_node:
                text = child.text_content or ""
                if isinstance(last, Text):
                    last.value += text
                else:
                    element.children.append(Text(text))
            elif child.is_element_node:
                below = _element(child, selected)
                element.children.append(below)
                waiting.append((child, below, depth + 1))
    _Collapsing().collapse(root)
    return root


def _seems_deep(page: str) -> bool:
    """Whether more than MOST_DEPTH tags stand open at some place, as far as that shows without parsing."""
    opened: Counter[str] = Counter()
    depth = 0
    for match in _TAG.finditer(page):
        tag = match[2].lower()
        if tag in _NOT_NESTING:
            continue
        if not match[1]:
            opened[tag] += 1
            depth += 1
            if depth > MOST_DEPTH:
                return True
        elif opened[tag]:
            opened[tag] -= 1
            depth -= 1
    return False


def _element(node: LexborNode, selected: dict[int, list[tuple[str, Rule]]]) -> Element:
    attributes = {name: "" if name in _BOOLEAN else value or "" for name, value in node.attributes.items()}
    if "class" in attributes:
        attributes["class"] = " ".join(sorted(set(attributes["class"].split())))
    return Element(str(node.tag), attributes, rules=selected.get(node.mem_id, []))


class _Collapsing:
    """Collapses white space from the beginning of a page to its end."""

    def __init__(self) -> None:
        self.after_space = True
        self.last: Text | None = None

    def collapse(self, element: Element) -> None:
        """Collapse the white space in `element`, and drop the texts of which nothing is left."""
        block = element.tag not in _INLINE
        if block:
            self._end_line()
        if element.tag in _VERBATIM or element.tag in _RAW:
            for child in element.children:
                if isinstance(child, Text):
                    child.value = child.value.strip() if element.tag in _RAW else child.value.replace("\r\n", "\n")
        else:
            for child in element.children:
                if isinstance(child, Element):
                    self.collapse(child)
                else:
                    self._text(child)
        if block:
            self._end_line()
            element.children = [child for child in element.children if not _is_empty(child)]
            for inline in _inlines(element):
                inline.children = [child for child in inline.children if not _is_empty(child)]
        elif element.tag in _ATOMS:
            self.after_space, self.last = False, None

    def _text(self, text: Text) -> None:
        collapsed = _SPACE.sub(" ", text.value)
        text.value = collapsed.removeprefix(" ") if self.after_space else collapsed
        if text.value:
            self.after_space = text.value.endswith(" ")
            self.last = text

    def _end_line(self) -> None:
        if self.last is not None:
            self.last.value = self.last.value.removesuffix(" ")
        self.after_space, self.last = True, None


def _is_empty(child: Element | Text) -> bool:
    return isinstance(child, Text) and not child.value


def _inlines(element: Element) -> Iterator[Element]:
    """The inline elements in `element` that no other block holds."""
    for child in element.children:
        if isinstance(child, Element) and child.tag in _INLINE:
            yield child
            yield from _inlines(child)
