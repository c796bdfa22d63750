"""The nodes of a page as they are compared: elements and texts."""

from __future__ import annotations

from dataclasses import dataclass, field

from strangler.comparison.rules import Rule


@dataclass(slots=True)
class Text:
    """A piece of text between two tags."""

    value: str


@dataclass(slots=True)
class Element:
    """An element; `rules` are those that select it, each with the part that it applies to."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | Text] = field(default_factory=list)
    rules: list[tuple[str, Rule]] = field(default_factory=list)
