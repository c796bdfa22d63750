"""What was read from YAML: plain values, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strangler.model.yaml_place import YamlPlace

Step = str | int
Scalar = str | int | float | bool | None


@dataclass(slots=True)
class Value:
    """A value and its place; `content` is a scalar, a list or a mapping of values."""

    source: YamlPlace
    content: Scalar | list[Value] | dict[str, Entry]

    def plain(self) -> Any:
        """The same as ordinary Python data, without positions."""
        if isinstance(self.content, dict):
            return {name: entry.value.plain() for name, entry in self.content.items()}
        if isinstance(self.content, list):
            return [item.plain() for item in self.content]
        return self.content

    def children(self) -> Iterator[tuple[Step, Value]]:
        """The values directly below this one, each with its key or index."""
        if isinstance(self.content, dict):
            yield from ((name, entry.value) for name, entry in self.content.items())
        elif isinstance(self.content, list):
            yield from enumerate(self.content)


@dataclass(slots=True)
class Entry:
    """One key of a mapping, the key's place, and its value."""

    key: YamlPlace
    value: Value


@dataclass(frozen=True, slots=True)
class Document:
    """All that was read: the values of one file, or of a folder's files together."""

    root: Value
    files: tuple[Path, ...]

    def get(self, *path: Step) -> Value | None:
        """The value at `path`, None where there is none."""
        value: Value | None = self.root
        for step in path:
            if value is None:
                return None
            value = _child(value, step)
        return value

    def names(self, *path: Step) -> tuple[str, ...]:
        """The keys of the mapping at `path`, none where there is no mapping."""
        value = self.get(*path)
        return tuple(value.content) if value is not None and isinstance(value.content, dict) else ()

    def source(self, *path: Step, key: bool = False) -> YamlPlace:
        """Where the value at `path` stands, or its key.

        Steps that lead nowhere are left out, so that a path into something that
        was not written gives the place where it could have been.
        """
        value = self.root
        place = value.source
        for step in path:
            if isinstance(value.content, dict) and isinstance(step, str) and step in value.content:
                entry = value.content[step]
                value = entry.value
                # What is nested has no mark of its own worth showing: its key is where it begins.
                nested = isinstance(value.content, (dict, list))
                place = entry.key if key or nested else value.source
            elif isinstance(value.content, list) and isinstance(step, int) and step < len(value.content):
                value = value.content[step]
                place = value.source
        return place


def _child(value: Value, step: Step) -> Value | None:
    if isinstance(value.content, dict) and isinstance(step, str):
        entry = value.content.get(step)
        return None if entry is None else entry.value
    if isinstance(value.content, list) and isinstance(step, int) and 0 <= step < len(value.content):
        return value.content[step]
    return None
