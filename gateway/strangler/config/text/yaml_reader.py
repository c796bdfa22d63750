"""YAML with positions: where every key and every value stands, to the column.

What is read differs from plain PyYAML in these points, all of them traps:

- A key given twice is an error (PyYAML lets the last one win).
- Only `true` and `false` are booleans. `on`, `off`, `yes` and `no` are text, as
  in YAML 1.2, so a country `NO` stays one.
- Only decimal numbers are numbers: `010` (octal 8), `12:30` (base 60), `1_000`
  and `2024-01-01` are text.
- Keys are text.
- Anchors, aliases and merge keys (`<<`) work; keys that begin with `x-` at the
  top of a file are a place for them and otherwise ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from strangler.config.text.document import Document, Entry, Scalar, Value
from strangler.config.text.environment import Substituted, substitute
from strangler.config.text.problems import ConfigurationError, Problem
from strangler.model.yaml_place import YamlPlace

# With nested aliases, a document of a few kilobytes can expand beyond any memory.
MOST_VALUES = 500_000
DEEPEST = 64
SUFFIXES = (".yaml", ".yml")
"""Of the files in a folder that are its configuration."""
LONGEST_NUMBER = 100
"""Digits of a whole number; what is longer is text."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_TAGS = {f"{_TAG}{kind}" for kind in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "value")}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")

# Sections whose names come together from all files of a folder, and lists that are joined.
_MERGED = {(), ("auth",), ("auth", "providers"), ("upstreams",), ("migrations",)}
_JOINED = {("routes",), ("tests",), ("trusted_proxies",)}


def read_document(path: Path, environment: Mapping[str, str], problems: list[Problem]) -> Document:
    """Read the file at `path`, or all `*.yaml` and `*.yml` files of the folder at `path` merged.

    What is wrong with parts of it is added to `problems`. Raises
    ConfigurationError where nothing can be made of it at all.
    """
    try:
        files = tuple(sorted(f for f in path.iterdir() if f.suffix in SUFFIXES)) if path.is_dir() else (path,)
    except OSError as error:
        raise ConfigurationError([Problem(YamlPlace(str(path), 1, 1), f"can't be read: {error}")]) from error
    if not files:
        raise ConfigurationError([Problem(YamlPlace(str(path), 1, 1), "the folder holds no *.yaml or *.yml file")])
    roots = [root for file in files if (root := _read_file(file, environment, problems)) is not None]
    if len(roots) < len(files):  # what a file that can't be read defines would seem to be missing
        raise ConfigurationError(problems)
    merged = roots[0]
    for root in roots[1:]:
        _merge(merged, root, (), problems)
    return Document(merged, files)


def _read_file(file: Path, environment: Mapping[str, str], problems: list[Problem]) -> Value | None:
    start = YamlPlace(str(file), 1, 1)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.append(Problem(start, f"can't be read: {error.strerror or error}"))
        return None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(Problem(YamlPlace(str(file), line, 1), "is not UTF-8 text"))
        return None
    try:
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = start if mark is None else YamlPlace(str(file), mark.line + 1, mark.column + 1)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        hint = None
        if mark is not None and "${" in _line(text, mark.line):
            hint = "inside { } and [ ], put ${NAME} in quotes"
        problems.append(Problem(place, f"is not YAML: {said}", hint))
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(Problem(start, f"is not YAML: {' '.join(str(error).split())}"))
        return None
    if node is None:
        problems.append(Problem(start, "is empty"))
        return None
    if not isinstance(node, yaml.MappingNode):
        problems.append(Problem(start, "must be a mapping of sections such as 'upstreams' and 'routes'"))
        return None
    root = _Walk(str(file), environment, problems).value(node)
    if isinstance(root.content, dict):
        root.content = {name: entry for name, entry in root.content.items() if not name.startswith("x-")}
    return root


def _line(text: str, number: int) -> str:
    return next(islice(text.split("\n"), number, None), "")


@dataclass(slots=True)
class _Walk:
    """From the nodes of one file to values, collecting problems on the way."""

    file: str
    environment: Mapping[str, str]
    problems: list[Problem]
    values: int = 0
    above: list[int] = field(default_factory=list)

    def value(self, node: Any) -> Value:
        source = self.source(node)
        self.values += 1
        if self.values > MOST_VALUES or len(self.above) > DEEPEST:
            raise ConfigurationError([Problem(source, "holds more values than a configuration may have")])
        if id(node) in self.above:
            self.complain(node, "this alias contains itself")
            return Value(source, None)
        if node.tag not in _TAGS:
            self.complain(node, f"the tag {node.tag.replace(_TAG, '!!')} is not supported")
        self.above.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return Value(source, self.mapping(node))
            if isinstance(node, yaml.SequenceNode):
                return Value(source, [self.value(item) for item in node.value])
            return Value(source, self.scalar(node))
        finally:
            self.above.pop()

    def mapping(self, node: Any) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: list[Any] = []
        for key, child in node.value:
            if key.tag == f"{_TAG}merge":
                merged += child.value if isinstance(child, yaml.SequenceNode) else [child]
                continue
            name = self.key(key)
            if name in entries:
                self.complain(key, f"the key '{name}' is given twice", f"first at {entries[name].key}")
            else:
                entries[name] = Entry(self.source(key), self.value(child))
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                self.complain(source, "'<<' requires a mapping or a list of mappings")
                continue
            inherited = self.value(source).content
            if isinstance(inherited, dict):
                entries = {**inherited, **entries}
        return entries

    def key(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self.complain(node, "a key must be text")
            return ""
        resolved = _resolve(node)
        if not isinstance(resolved, str):
            kind = "a boolean" if isinstance(resolved, bool) else "null" if resolved is None else "a number"
            self.complain(node, f"the key {node.value} is read as {kind}", f'put it in quotes: "{node.value}"')
        return str(node.value)

    def scalar(self, node: Any) -> Scalar:
        resolved = _resolve(node)
        if not isinstance(resolved, str) or "$" not in resolved:
            return resolved
        text, missing = substitute(resolved, self.environment)
        for name in missing:
            self.complain(node, f"the environment variable {name} is not set")
        return text if text == resolved else Substituted(text, resolved)

    def source(self, node: Any) -> YamlPlace:
        mark = node.start_mark
        return YamlPlace(self.file, mark.line + 1, mark.column + 1)

    def complain(self, node: Any, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(self.source(node), message, hint))


def _resolve(node: Any) -> Scalar:
    """What a scalar means; see the top of this module."""
    text: str = node.value
    if node.tag == f"{_TAG}null":
        return None
    if node.tag == f"{_TAG}bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if node.tag == f"{_TAG}int" and len(text) <= LONGEST_NUMBER and _INTEGER.fullmatch(text):
        return int(text)
    if node.tag == f"{_TAG}float" and _FLOAT.fullmatch(text):
        with suppress(ValueError):  # of a dot alone, or an exponent alone
            return float(text)
    return text


def _merge(into: Value, other: Value, path: tuple[str, ...], problems: list[Problem]) -> None:
    """Merge another file; what both define is a problem that names both places."""
    if not isinstance(into.content, dict) or not isinstance(other.content, dict):
        return
    for name, entry in other.content.items():
        here = (*path, name)
        known = into.content.get(name)
        if known is None:
            into.content[name] = entry
        elif here in _MERGED and isinstance(known.value.content, dict) and isinstance(entry.value.content, dict):
            _merge(known.value, entry.value, here, problems)
        elif here in _JOINED and isinstance(known.value.content, list) and isinstance(entry.value.content, list):
            known.value.content.extend(entry.value.content)
        elif here != ("version",) or known.value.content != entry.value.content:
            problems.append(Problem(entry.key, f"'{'.'.join(here)}' is defined twice", f"first at {known.key}"))
