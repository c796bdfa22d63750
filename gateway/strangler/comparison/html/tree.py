"""A page as it is compared: a tree that ignores whatever a browser doesn't show.

It is parsed as browsers do (by lexbor, the WHATWG algorithm), so that optional
tags are present. A fragment that begins with a part of a table is parsed within
the table that it needs, because a page would drop it; then the other side is,
too. The content of templates is a part of the tree. Comments are dropped; white
space is collapsed as in CSS (`strangler.comparison.html.space`); classes are a
set; attributes have no order.
"""

from __future__ import annotations

import re
from collections import Counter

from selectolax.lexbor import LexborHTMLParser, LexborNode

from strangler.comparison.html import csrf
from strangler.comparison.html.nodes import Element, Text
from strangler.comparison.html.space import collapse
from strangler.comparison.rules import HtmlRule, Rule

MOST_DEPTH = 150
"""Maximum nesting; deeper pages are compared as text, because parsing takes time quadratic in the depth."""

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
# fmt: off
_NOT_NESTING = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "p",
    "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "caption",
    "rb", "rt", "rp", "html", "head", "body",
))
# fmt: on
"""Tags without an end tag, or whose end tag is optional: deep nesting involves others, too."""

# fmt: off
_BOOLEAN = frozenset((
    "allowfullscreen", "async", "autofocus", "autoplay", "checked", "compact", "controls", "default", "defer",
    "disabled", "disablepictureinpicture", "disableremoteplayback", "formnovalidate", "inert", "ismap", "itemscope",
    "loop", "multiple", "muted", "nohref", "nomodule", "noshade", "novalidate", "nowrap", "open", "playsinline",
    "readonly", "required", "reversed", "selected", "shadowrootclonable", "shadowrootdelegatesfocus",
    "shadowrootserializable",
))
# fmt: on
"""Boolean attributes: only their presence counts, not their value (HTML section 2.3.2)."""

_KEYWORDS = {
    "contenteditable": {"": "true"},
    "crossorigin": {"": "anonymous"},
    "dir": {},
    "draggable": {},
    "enctype": {},
    "formenctype": {},
    "formmethod": {},
    "http-equiv": {},
    "loading": {},
    "method": {},
    "popover": {"": "auto"},
    "scope": {},
    "spellcheck": {"": "true"},
    "type": {},
}
"""Attributes whose values are keywords in any case, and equivalent keywords (HTML section 2.3.3)."""

_TYPES_WITH_CASE = frozenset(("ol", "ul", "li"))
"""Elements whose `type` is case-sensitive: `A` is not `a`."""

_SHOWN_LATER = "until-found"

_CONTEXTS = {
    **dict.fromkeys(("caption", "colgroup", "tbody", "tfoot", "thead"), "<table>"),
    "col": "<table><colgroup>",
    "tr": "<table><tbody>",
    **dict.fromkeys(("td", "th"), "<table><tbody><tr>"),
}
"""The context for elements that a page drops outside of a table (HTML section 13.2.6.4.7)."""

_FIRST_TAG = re.compile(r"(?>[ \t\n\r\f]+|<!--.*?-->)*+<([a-zA-Z][^\s/>]*)", re.DOTALL)

_BYTES = {code: chr(0x10F700 + code - 0xDC00) for code in range(0xDC80, 0xDD00)}
"""Maps bytes that are not text to characters that the parser keeps; it drops lone surrogates."""

_NO_TEXT = re.compile("[\udc80-\udcff]")
_KEPT_BYTES = {ord(kept): code for code, kept in _BYTES.items()}
_ODD = re.compile("[\0\U0010f780-\U0010f7ff]")
"""A page with these is compared as text: the parser drops NUL, and the others represent bytes here."""


def parse_both(
    pages: tuple[str, str], rules: tuple[HtmlRule, ...], tokens: bool = False
) -> tuple[Element, Element] | None:
    """Return the trees of two pages; None if one is not a page, or is nested too deep.

    `rules` are added to the elements that they select, and with `tokens` also those for CSRF tokens.
    """
    context = _context(pages[0]) or _context(pages[1])
    legacy, extracted = (_parse(page, context, rules) for page in pages)
    if legacy is None or extracted is None:
        return None
    if tokens:
        _govern_tokens(legacy)
        _govern_tokens(extracted)
    return legacy, extracted


def _context(page: str) -> str:
    """Return the context that a page's first element needs; empty for most pages."""
    tag = _FIRST_TAG.match(page)
    return "" if tag is None else _CONTEXTS.get(tag[1].lower(), "")


def _parse(page: str, context: str, rules: tuple[HtmlRule, ...]) -> Element | None:
    if _seems_deep(page) or _ODD.search(page) is not None:
        return None
    plain = page.translate(_BYTES) if _NO_TEXT.search(page) is not None else page
    parsed = LexborHTMLParser(context + plain)
    if parsed.root is None:
        return None
    fragments = _fragments(parsed.root) if "<template" in page.lower() else {}
    selected: dict[int, list[tuple[str, Rule]]] = {}
    for rule in rules:
        for holder in (parsed.root, *fragments.values()):
            for node in holder.css(rule.selector):
                selected.setdefault(node.mem_id, []).append((rule.part, rule.rule))
    root = _tree(parsed.root, selected, fragments)
    if root is None:
        return None
    if plain != page:
        _restore_bytes(root)
    collapse(root)
    return root


def _govern_tokens(root: Element) -> None:
    """Add the rules for CSRF tokens to the elements that contain one."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element.attributes:
            element.rules += csrf.rules_for(element.tag, element.attributes)
        for child in element.children:
            if isinstance(child, Element):
                waiting.append(child)
            elif element.tag == "script":
                element.rules += csrf.rule_for_script(child.value)


def _fragments(root: LexborNode) -> dict[int, LexborNode]:
    """Return the content of templates by the numbers of their elements, including nested templates."""
    parents: dict[int, LexborNode] = {}
    waiting = [root]
    while waiting:
        for fragment in waiting.pop().template_fragments():
            if fragment.parent is not None and fragment.parent.mem_id not in parents:
                parents[fragment.parent.mem_id] = fragment
                waiting.append(fragment)
    return parents


def _tree(
    first: LexborNode, selected: dict[int, list[tuple[str, Rule]]], fragments: dict[int, LexborNode]
) -> Element | None:
    root = _element(first, selected)
    waiting: list[tuple[LexborNode, Element, int]] = [(first, root, 1)]
    while waiting:
        node, element, depth = waiting.pop()
        if depth > MOST_DEPTH:
            return None
        for child in fragments.get(node.mem_id, node).iter(include_text=True):
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
    return root


def _restore_bytes(root: Element) -> None:
    waiting = [root]
    while waiting:
        element = waiting.pop()
        element.attributes = {
            name.translate(_KEPT_BYTES): value.translate(_KEPT_BYTES) for name, value in element.attributes.items()
        }
        for child in element.children:
            if isinstance(child, Text):
                child.value = child.value.translate(_KEPT_BYTES)
            else:
                waiting.append(child)


def _seems_deep(page: str) -> bool:
    """Return whether more than MOST_DEPTH tags are open at some point, as far as visible without parsing."""
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
    tag = str(node.tag)
    # A custom element defines the meaning of all attributes but the global ones.
    telling = _GLOBAL if "-" in tag else _TELLING
    attributes = {
        name: _meaning(tag, name, value or "") if name in telling else value or ""
        for name, value in node.attributes.items()
    }
    if "class" in attributes:
        attributes["class"] = " ".join(sorted(set(attributes["class"].split())))
    return Element(tag, attributes, rules=selected.get(node.mem_id, []))


_GLOBAL = frozenset(
    ("autofocus", "contenteditable", "dir", "draggable", "hidden", "inert", "itemscope", "popover", "spellcheck")
)
_TELLING = frozenset((*_BOOLEAN, *_KEYWORDS, "hidden"))


def _meaning(tag: str, name: str, value: str) -> str:
    """Return one form for equivalent values of an attribute."""
    if name in _BOOLEAN:
        return ""
    if name == "hidden":
        return _SHOWN_LATER if value.lower() == _SHOWN_LATER else ""
    if name == "type" and tag in _TYPES_WITH_CASE:
        return value
    said = value.strip(" \t\n\r\f").lower()
    return _KEYWORDS[name].get(said, said)
