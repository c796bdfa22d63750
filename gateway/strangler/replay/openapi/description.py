"""An API description as a document: read from JSON or YAML, and its references followed.

JSON is read by a JSON parser: YAML parsers refuse some of it (`"\\ud83d\\ude00"`,
`=`). YAML plain scalars mean what YAML 1.2's JSON schema says, which OpenAPI
asks for: only `null`, `true`, `false` and JSON numbers are no text. So `NO`,
`01067`, `12:30`, `2026-01-05`, `0x1F` and `1_000` stay as they are written.
Numbers keep how they are written, too: where a description says that a value is
text, `1.10` is not `1.1`. Unknown tags are ignored.

References (RFC 6901 in a URI fragment, or a `$anchor`) stay within the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import yaml

_MOST_REFERENCES = 20
_INDEX = re.compile(r"0|[1-9][0-9]*")
_NULL = re.compile(r"null|~|")
_BOOLEAN = re.compile(r"true|false")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?")


class DescriptionError(ValueError):
    """Data that is neither JSON nor YAML; the message says why."""


class Unresolved(Exception):
    """A reference that leads nowhere, or something else stands where a mapping is expected."""


class Number(float):
    """A number that knows how it was written."""

    written: str

    def __new__(cls, written: str) -> Number:
        """The number that `written` is, in JSON's form."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written

    __repr__ = __str__


class _Loader(yaml.CSafeLoader):
    """YAML with the scalars of the JSON schema, in which every tag that is not known is ignored."""

    yaml_implicit_resolvers = {}

    def content(self, node: yaml.Node) -> Any:
        """What `node` holds."""
        if isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        assert isinstance(node, yaml.MappingNode)
        return self.construct_mapping(node, deep=True)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys may be anything: what can't be a key becomes its text."""
        self.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            mapping[str(key) if isinstance(key, (dict, list)) else key] = self.construct_object(value_node, deep=deep)
        return mapping


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | Number | str:
    try:
        return _whole_or_number(node.value)
    except ValueError:  # more digits than Python takes
        return str(node.value)


def _whole_or_number(written: str) -> int | Number:
    whole = int(written) if _INDEX.fullmatch(written.removeprefix("-")) and written != "-0" else None
    return Number(written) if whole is None else whole


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(rf"^(?:{_NULL.pattern})$"), None)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(rf"^(?:{_BOOLEAN.pattern})$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_NUMBER.pattern})$"), list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
_Loader.yaml_constructors = {
    "tag:yaml.org,2002:null": lambda loader, node: None,
    "tag:yaml.org,2002:bool": lambda loader, node: node.value == "true",
    "tag:yaml.org,2002:float": _number,
    None: _Loader.content,
}


def read_description(data: bytes) -> Any:
    """What `data` holds, in JSON or YAML.

    Raises DescriptionError.
    """
    try:
        return json.loads(data.removeprefix(b"\xef\xbb\xbf"), parse_float=Number, parse_constant=str)
    except (ValueError, RecursionError) as error:
        not_json = str(error)
    try:
        return yaml.load(data, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
        why = f"as JSON: {not_json}; as YAML: {error}" if is_json else str(error)
        raise DescriptionError(f"neither JSON nor YAML: {' '.join(why.split())}") from None


class Description:
    """A description whose references can be followed."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        # OpenAPI 3.0: what stands beside a $ref is ignored; since 3.1 it counts.
        self._siblings_count = not str(root.get("openapi", "")).startswith("3.0")
        self._anchors: dict[str, Any] | None = None

    def resolved(self, value: Any) -> Mapping[str, Any]:
        """The mapping that `value` is or, by `$ref`, refers to, with what stands beside the reference.

        Raises Unresolved.
        """
        beside: dict[str, Any] = {}
        for _ in range(_MOST_REFERENCES):
            if not isinstance(value, dict):
                raise Unresolved(f"a mapping is expected where {_short(value)} stands")
            reference = value.get("$ref")
            if reference is None:
                return {**value, **beside}
            if self._siblings_count:
                beside = {**{name: part for name, part in value.items() if name != "$ref"}, **beside}
            value = self._target(reference)
        raise Unresolved("its references go round in a circle")

    def _target(self, reference: object) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise Unresolved(
                f"it refers to {_short(reference)}, outside of this document: join the files into one first"
            )
        fragment = unquote(reference[1:])
        if fragment and not fragment.startswith("/"):
            if self._anchors is None:
                self._anchors = dict(_anchors(self.root))
            if fragment in self._anchors:
                return self._anchors[fragment]
            raise Unresolved(f"it refers to {reference!r}, which is not there")
        value: Any = self.root
        for step in fragment.split("/")[1:]:
            value = _inner(value, step.replace("~1", "/").replace("~0", "~"))
            if value is _NOTHING:
                raise Unresolved(f"it refers to {reference!r}, which is not there")
        return value


_NOTHING = object()


def _inner(value: Any, step: str) -> Any:
    """What stands in `value` under `step`, by name or by index."""
    if isinstance(value, list):
        return value[int(step)] if _INDEX.fullmatch(step) and int(step) < len(value) else _NOTHING
    if not isinstance(value, dict):
        return _NOTHING
    if step in value:
        return value[step]
    # Keys such as 200 and true are no text in YAML.
    return next((inner for key, inner in value.items() if _key_text(key) == step), _NOTHING)


def _key_text(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _anchors(root: Any) -> Iterator[tuple[str, Any]]:
    """Every part with a `$anchor`, by that."""
    waiting, seen = [root], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            if isinstance(value.get("$anchor"), str):
                yield value["$anchor"], value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
