"""Random pages for property tests: a tree, ways to write it that mean the same, and single changes of it."""

from __future__ import annotations

import copy
import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st


@dataclass
class Node:
    """An element; texts stand among its children as they are."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)


_BLOCKS = frozenset(["div", "section", "p", "ul", "li", "table", "tbody", "tr", "td", "th", "option", "template"])
_EMPTY = frozenset(("input", "img", "br"))
_BOOLEAN = ("hidden", "disabled")
_COMMENTS = ("<!-- a -->", "<!--<p>-->")

words = st.text("abcdefghijklmnopqrstuvwxyzäéß&<>\"'12", min_size=1, max_size=6)
phrases = st.lists(words, min_size=1, max_size=3).map(" ".join)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "id": words,
        "title": phrases,
        "href": words.map("/{}".format),
        "data-x": phrases,
        "hx-get": words.map("/{}".format),
        "class": st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=3, unique=True).map(" ".join),
        "hidden": st.just(""),
    },
)


def _nodes(tags: str, children: st.SearchStrategy[list[Node | str]]) -> st.SearchStrategy[Node]:
    return st.builds(Node, st.sampled_from(tags.split()), attributes, children)


def _lists(item: st.SearchStrategy[Node], most: int = 4) -> st.SearchStrategy[list[Node | str]]:
    return st.lists(item, max_size=most).map(lambda nodes: list[Node | str](nodes))


_texts: st.SearchStrategy[list[Node | str]] = phrases.map(lambda text: [text])
_leaves: st.SearchStrategy[list[Node | str]] = st.just([])
_inline = _nodes("span b em my-label", _texts) | _nodes("button", _texts) | _nodes("input img br", _leaves)
# Texts do not touch each other: a parser makes one of two.
_line: st.SearchStrategy[list[Node | str]] = st.lists(st.tuples(phrases, _inline), max_size=3).map(
    lambda pairs: [item for pair in pairs for item in pair]
)
_options = _nodes("option", _texts)
_cells = _nodes("td th", _line)
_rows = _nodes("tr", _lists(_cells))
_bodies = _nodes("tbody", _lists(_rows, 3))
_blocks = st.recursive(
    _nodes("p", _line),
    lambda inner: (
        _nodes("div section template", _lists(inner))
        | _nodes("ul", _lists(_nodes("li", _line), 3))
        | _nodes("table", _lists(_bodies, 2))
    ),
    max_leaves=8,
)
pages = _lists(_blocks).map(lambda children: Node("body", {}, [*children, Node("p", {}, ["end"])]))
_parts = st.sampled_from([_rows, _cells, _bodies, _options, _nodes("li", _line)])
fragments = _parts.flatmap(lambda part: st.lists(part, min_size=1, max_size=4)).map(
    lambda nodes: Node("", {}, list[Node | str](nodes))
)


def written(node: Node, style: Random | None = None) -> str:
    """The markup of `node`; with a `style`, in one of the ways that mean the same."""
    inside = "".join(_pieces(node, style))
    if not node.tag:
        return inside
    said = [*node.attributes.items()]
    tag = node.tag
    if style is not None:
        style.shuffle(said)
        tag = style.choice((tag, tag.upper()))
    opening = " ".join([tag, *(_attribute(name, value, style) for name, value in said)])
    return f"<{opening}>" if node.tag in _EMPTY else f"<{opening}>{inside}</{tag}>"


def _pieces(node: Node, style: Random | None) -> Iterator[str]:
    within = style is not None and (not node.tag or node.tag in _BLOCKS or node.tag in ("body", "button"))
    for number, child in enumerate(node.children):
        block = isinstance(child, Node) and child.tag in _BLOCKS
        if style is not None and (block or (within and not number)):
            yield style.choice(("", "", " ", "\n  ", *(_COMMENTS if node.tag != "button" else ())))
        yield written(child, style) if isinstance(child, Node) else _escaped(child, style)
    if style is not None and within:
        yield style.choice(("", " ", "\r\n"))


def _escaped(text: str, style: Random | None) -> str:
    if style is None:
        return html.escape(text)
    pieces = []
    for letter in text:
        choices = [html.escape(letter), f"&#{ord(letter)};", f"&#x{ord(letter):x};"]
        pieces.append(style.choice((" ", "\n", " \t ")) if letter == " " else style.choice(choices))
    return "".join(pieces)


def _attribute(name: str, value: str, style: Random | None) -> str:
    if style is None:
        return f'{name}="{html.escape(value)}"'
    if name in _BOOLEAN:
        return style.choice((name, f'{name}=""', f"{name}={name}", f'{name}="{name}"'))
    if name == "class":
        names = value.split()
        style.shuffle(names)
        value = style.choice((" ", "  ")).join([*names, *names[:1]])
    quote = style.choice("\"'")
    return f"{name}{style.choice(('=', ' = '))}{quote}{html.escape(value)}{quote}"


def changed(page: Node, random: Random) -> Node:
    """`page` with one thing changed that a reader would notice."""
    page = copy.deepcopy(page)
    every = list(_elements(page))
    holders = [node for node in every if node.children]
    node = random.choice(holders)
    index = random.randrange(len(node.children))
    child = node.children[index]
    if isinstance(child, str):
        node.children[index] = _changed_text(child, random)
        return page
    match random.randrange(4):
        case 0:
            child.attributes["data-new"] = "1"
        case 1 if child.attributes:
            name = random.choice(list(child.attributes))
            if name in _BOOLEAN or random.random() < 0.3:
                del child.attributes[name]
            else:
                child.attributes[name] += "z"
        case 2:
            del node.children[index]
            if not page.children:
                page.children.append(Node("p", {}, ["nothing"]))
        case _:
            node.children.insert(index, copy.deepcopy(child))
    return page


def _changed_text(text: str, random: Random) -> str:
    place = random.randrange(len(text))
    if text[place] == " ":
        return text[:place] + text[place + 1 :]
    return random.choice((text[:place] + "Z" + text[place + 1 :], f"{text[:place]}Z{text[place:]}", text + " Z"))


def _elements(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        if isinstance(child, Node):
            yield from _elements(child)
