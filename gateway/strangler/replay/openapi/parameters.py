"""The parameters of an operation in OpenAPI: the values that their description names, and how these are written.

Values that a description does not name are not made up. A part of it that can't
be understood costs the values that it would have given, and is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from strangler.replay.openapi.description import Description, Number, Unresolved

# Parameters of these names mean nothing (OpenAPI 3.1, "Parameter Object").
_NO_PARAMETERS = frozenset(("accept", "content-type", "authorization"))
_PLACES = ("path", "query", "header", "cookie")
_MOST_DEPTH = 5
_UNRESERVED = "-._~"
_DELIMITERS = {"form": ",", "simple": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


class Unfilled(Exception):
    """An operation lacks a value, or is described in a way that is not understood."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter, and the `values` that its description names; `odd` lists what was not understood."""

    name: str
    place: str
    required: bool
    style: str
    explode: bool
    values: list[Any]
    odd: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"the {self.place} parameter '{self.name}'"


def parameters_of(
    item: Mapping[str, Any], operation: Mapping[str, Any], description: Description
) -> dict[tuple[str, str], Parameter]:
    """Those of the path and of the operation, which go before, by place and name."""
    parameters = {}
    for raw in (*_listed(item), *_listed(operation)):
        described = description.resolved(raw)
        name, place = str(described.get("name", "")), str(described.get("in", ""))
        if place == "header" and name.lower() in _NO_PARAMETERS:
            continue
        required = place == "path" or is_true(described.get("required"))
        style = str(described.get("style") or ("form" if place in ("query", "cookie") else "simple"))
        odd: list[str] = []
        values = list(_values(described, description, odd)) if place in _PLACES else []
        if place not in _PLACES:
            odd.append(f"its place '{place}' is not one of {', '.join(_PLACES)}")
        explode = described.get("explode")
        parameters[place, name] = Parameter(
            name, place, required, style, style == "form" if explode is None else is_true(explode), values, odd
        )
    return parameters


def _listed(described: Mapping[str, Any]) -> list[Any]:
    listed = described.get("parameters") or []
    if not isinstance(listed, list):
        raise Unfilled("its parameters are no list")
    return listed


def is_true(value: object) -> bool:
    """Whether a flag is set; YAML 1.2 leaves `True` and `TRUE` text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


# Values


def _values(described: Mapping[str, Any], description: Description, odd: list[str]) -> Iterator[Any]:
    """The values that a parameter's description names, each once."""
    content = described.get("content")
    if isinstance(content, dict) and content:
        media, inner = next(iter(content.items()))
        values = _understood(lambda: _named(description.resolved(inner), description, odd), odd)
        if "json" in str(media):
            values = [_as_json(value) for value in values]
    else:
        values = _named(described, description, odd)
    yield from {f"{type(value).__name__} {value!r}": value for value in values}.values()


def _named(described: Mapping[str, Any], description: Description, odd: list[str]) -> list[Any]:
    values = [described["example"]] if described.get("example") is not None else []
    examples = described.get("examples")
    if isinstance(examples, dict):
        for example in examples.values():
            values += _understood(lambda example=example: _of_example(description.resolved(example)), odd)
    if "schema" in described:
        values += _understood(lambda: _of_schema(described["schema"], description), odd)
    return values


def _understood(read: Any, odd: list[str]) -> list[Any]:
    """What `read` gives; nothing, and a word in `odd`, where it can't be understood."""
    try:
        values: list[Any] = read()
    except (Unresolved, TypeError, AttributeError, ValueError) as error:
        odd.append(str(error))
        return []
    return values


def _of_example(example: Mapping[str, Any]) -> list[Any]:
    return [example[key] for key in ("value", "dataValue") if example.get(key) is not None]


def _of_schema(raw: Any, description: Description, depth: int = 0) -> list[Any]:
    """The values that a schema names; one may refer to itself, so no deeper than _MOST_DEPTH."""
    if depth > _MOST_DEPTH or isinstance(raw, bool):
        return []
    schema = description.resolved(raw)
    values = [schema[key] for key in ("example", "default", "const") if key in schema]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list):
            values += schema[key]
    types = schema.get("type")
    types = types if isinstance(types, list) else [types]
    if "boolean" in types:
        values += [True, False]
    if "array" in types and isinstance(schema.get("items"), dict):
        values += [[value] for value in _of_schema(schema["items"], description, depth + 1)]
    enums = [schema["enum"]] if isinstance(schema.get("enum"), list) else []
    for part in schema.get("allOf") or ():
        values += _of_schema(part, description, depth + 1)
        inner = part.get("enum") if isinstance(part, dict) and "$ref" not in part else None
        inner = description.resolved(part).get("enum") if inner is None and isinstance(part, dict) else inner
        enums += [inner] if isinstance(inner, list) else []
    if len(enums) > 1:
        # All of them must hold.
        values = [value for value in values if all(value in enum for enum in enums)]
    for part in (*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ())):
        values += _of_schema(part, description, depth + 1)
    return [value for value in values if value is not None]


# How values are written


def path_text(parameter: Parameter, value: Any) -> str:
    """`value` as it stands in a path."""
    if parameter.style != "simple":
        raise Unfilled(f"the style {parameter.style} of '{parameter.name}' is not understood")
    return ",".join(_items(value, parameter.explode))


def query_texts(parameter: Parameter, value: Any) -> list[str]:
    """The parts of a query that `value` becomes."""
    name = quoted(parameter.name)
    if isinstance(value, dict):
        if parameter.style == "deepObject":
            return [f"{name}[{quoted(key)}]={quoted(inner)}" for key, inner in value.items()]
        if parameter.explode:
            return [f"{quoted(key)}={quoted(inner)}" for key, inner in value.items()]
    if isinstance(value, list) and parameter.explode and parameter.style == "form":
        return [f"{name}={quoted(item)}" for item in value]
    return [f"{name}={_DELIMITERS.get(parameter.style, ',').join(_items(value, False))}"]


def header_text(value: Any) -> str:
    """`value` as it stands in a header field."""
    return ",".join(map(text_of, value)) if isinstance(value, list) else text_of(value)


def cookie_text(parameter: Parameter, value: Any) -> str:
    """`value` as a pair of the Cookie field."""
    return f"{parameter.name}={quoted(value)}"


def quoted(value: Any) -> str:
    """A value, percent-encoded whole."""
    return quote(text_of(value), safe=_UNRESERVED)


def text_of(value: Any) -> str:
    """A value as it is written in a request: booleans and composed values as JSON, numbers as they were written."""
    if isinstance(value, str):
        return value
    return _as_json(value) if isinstance(value, (bool, list, dict)) else str(value)


def _items(value: Any, explode: bool) -> list[str]:
    if isinstance(value, list):
        return [quoted(item) for item in value]
    if isinstance(value, dict):
        if explode:
            return [f"{quoted(key)}={quoted(inner)}" for key, inner in value.items()]
        return [quoted(part) for pair in value.items() for part in pair]
    return [quoted(value)]


def _as_json(value: Any) -> str:
    """JSON without spaces; numbers as they were written."""
    if isinstance(value, Number):
        return value.written
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(text_of(key))}:{_as_json(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_as_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
