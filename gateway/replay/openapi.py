"""GET requests from an OpenAPI 3 description, filled with the values that it names itself.

A parameter's values are its `example` and `examples`, those of its schema, the
schema's `default`, `const` and `enum`, and both booleans. Each operation is
asked once with the first value of each required parameter, and then with every
other value and every optional parameter, one at a time; so a description with
v values gives about v requests, not all combinations. Values that nobody
named are not made up: an operation that lacks one is said to be unfilled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import yaml

from gateway.replay.recorded import RecordedRequest, Recording, RecordingError

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_UNRESERVED = "-._~"
# Parameters of these names mean nothing (OpenAPI 3.1, "Parameter Object").
_NO_PARAMETERS = frozenset(("accept", "content-type", "authorization"))
_MOST_DEPTH = 5
_OTHER_METHODS = ("put", "post", "delete", "options", "head", "patch", "trace")
_DELIMITERS = {"form": ",", "simple": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


class _Unfilled(Exception):
    """An operation lacks a value, or is described in a way that is not understood."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    place: str
    required: bool
    style: str
    explode: bool
    values: list[Any]


def read_openapi(data: bytes, name: str) -> Recording:
    """The requests that the description `data`, in JSON or YAML, allows; `name` is what messages call it.

    Raises RecordingError where it is not OpenAPI 3.
    """
    try:
        document = yaml.load(data, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise RecordingError(f"{name}: neither JSON nor YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        found = f"swagger {document['swagger']}" if isinstance(document, dict) and "swagger" in document else "neither"
        raise RecordingError(f"{name}: not OpenAPI 3: `openapi: 3.x` is expected at the top, found {found}")
    paths = document.get("paths")
    recording = Recording()
    for path, item in (paths if isinstance(paths, dict) else {}).items():
        if not str(path).startswith("/"):  # an extension
            continue
        try:
            item = _resolved(item, document)
            recording.skipped.update(f"method {method.upper()}" for method in _OTHER_METHODS if method in item)
            if "get" not in item:
                continue
            recording.requests += _requests(str(path), item, document, name)
        except _Unfilled as reason:
            recording.unfilled.append(f"GET {path}: {reason}")
        except (TypeError, AttributeError, ValueError) as error:
            recording.unfilled.append(f"GET {path}: it is not described as OpenAPI 3 says: {error}")
    return recording


def _requests(path: str, item: Mapping[str, Any], document: Mapping[str, Any], name: str) -> list[RecordedRequest]:
    operation = item["get"]
    if not isinstance(operation, dict):
        raise _Unfilled("its operation is no mapping")
    parameters = _parameters(item, operation, document)
    for placeholder in _PLACEHOLDER.findall(path):
        if ("path", placeholder) not in parameters:
            raise _Unfilled(f"its path parameter '{placeholder}' is not described")
    for parameter in parameters.values():
        if parameter.required and not parameter.values:
            raise _Unfilled(f"no example, default or enum for the {parameter.place} parameter '{parameter.name}'")
    prefix = _prefix(item, operation, document)
    found: dict[RecordedRequest, None] = {}
    for chosen in _choices(list(parameters.values())):
        found[_request(prefix, path, chosen, f"{name}, GET {path}")] = None
    return list(found)


def _parameters(
    item: Mapping[str, Any], operation: Mapping[str, Any], document: Mapping[str, Any]
) -> dict[tuple[str, str], _Parameter]:
    """Those of the path and of the operation, which go before."""
    found = {}
    for raw in (*(item.get("parameters") or ()), *(operation.get("parameters") or ())):
        parameter = _resolved(raw, document)
        name, place = str(parameter.get("name", "")), str(parameter.get("in", ""))
        if place == "header" and name.lower() in _NO_PARAMETERS:
            continue
        style = str(parameter.get("style") or ("form" if place in ("query", "cookie") else "simple"))
        found[place, name] = _Parameter(
            name,
            place,
            place == "path" or parameter.get("required") is True,
            style,
            bool(parameter.get("explode", style == "form")),
            _values(parameter, document),
        )
    return found


def _values(parameter: Mapping[str, Any], document: Mapping[str, Any]) -> list[Any]:
    """The values that a parameter's description names, each once."""
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        media, described = next(iter(content.items()))
        values = _named(_resolved(described, document), document)
        return [_as_json(value) if "json" in str(media) else value for value in values]
    return _named(parameter, document)


def _named(described: Mapping[str, Any], document: Mapping[str, Any]) -> list[Any]:
    values = [described["example"]] if "example" in described else []
    examples = described.get("examples")
    if isinstance(examples, dict):
        resolved = [_resolved(example, document) for example in examples.values()]
        values += [example["value"] for example in resolved if "value" in example]
    if "schema" in described:
        values += _of_schema(_resolved(described["schema"], document), document)
    return list({repr(value): value for value in values}.values())


def _of_schema(schema: Mapping[str, Any], document: Mapping[str, Any], depth: int = 0) -> list[Any]:
    """The values that a schema names; one may refer to itself, so no deeper than _MOST_DEPTH."""
    if depth > _MOST_DEPTH:
        return []
    values = [schema[key] for key in ("example", "default", "const") if key in schema]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list):
            values += schema[key]
    if schema.get("type") == "boolean":
        values += [True, False]
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        values += [[value] for value in _of_schema(_resolved(schema["items"], document), document, depth + 1)]
    for part in (*(schema.get("allOf") or ()), *(schema.get("oneOf") or ()), *(schema.get("anyOf") or ())):
        values += _of_schema(_resolved(part, document), document, depth + 1)
    return [value for value in values if value is not None]


def _choices(parameters: list[_Parameter]) -> Iterator[list[tuple[_Parameter, Any]]]:
    required = [(parameter, parameter.values[0]) for parameter in parameters if parameter.required]
    yield required
    for number, (parameter, _) in enumerate(required):
        for value in parameter.values[1:]:
            yield [*required[:number], (parameter, value), *required[number + 1 :]]
    optional = [parameter for parameter in parameters if not parameter.required and parameter.values]
    for parameter in optional:
        for value in parameter.values:
            yield [*required, (parameter, value)]
    if len(optional) > 1:
        yield [*required, *((parameter, parameter.values[0]) for parameter in optional)]


def _request(prefix: str, path: str, chosen: list[tuple[_Parameter, Any]], source: str) -> RecordedRequest:
    in_path: dict[str, str] = {}
    query: list[str] = []
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for parameter, value in chosen:
        if parameter.place == "path":
            if parameter.style != "simple":
                raise _Unfilled(f"the style {parameter.style} of '{parameter.name}' is not understood")
            in_path[parameter.name] = ",".join(_items(value, parameter.explode))
        elif parameter.place == "query":
            query += _query(parameter, value)
        elif parameter.place == "header":
            headers.append((parameter.name, ",".join(map(_text, value)) if isinstance(value, list) else _text(value)))
        elif parameter.place == "cookie":
            cookies.append(f"{parameter.name}={quote(_text(value), safe=_UNRESERVED)}")
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    target = prefix + _PLACEHOLDER.sub(lambda match: in_path[match[1]], path)
    if query:
        target += f"?{'&'.join(query)}"
    return RecordedRequest("GET", target, tuple(headers), source=source, endpoint=f"GET {prefix}{path}")


def _query(parameter: _Parameter, value: Any) -> list[str]:
    name = quote(parameter.name, safe=_UNRESERVED)
    if isinstance(value, dict):
        if parameter.style == "deepObject":
            return [f"{name}[{_quoted(key)}]={_quoted(inner)}" for key, inner in value.items()]
        if parameter.explode:
            return [f"{_quoted(key)}={_quoted(inner)}" for key, inner in value.items()]
    if isinstance(value, list) and parameter.explode and parameter.style == "form":
        return [f"{name}={_quoted(item)}" for item in value]
    return [f"{name}={_DELIMITERS.get(parameter.style, ',').join(_items(value, False))}"]


def _items(value: Any, explode: bool) -> list[str]:
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, dict):
        if explode:
            return [f"{_quoted(key)}={_quoted(inner)}" for key, inner in value.items()]
        return [_quoted(part) for pair in value.items() for part in pair]
    return [_quoted(value)]


def _quoted(value: Any) -> str:
    return quote(_text(value), safe=_UNRESERVED)


def _text(value: Any) -> str:
    """A value as it is written in a request: booleans and composed values as JSON, dates as ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    return _as_json(value) if isinstance(value, (bool, list, dict)) else str(value)


def _as_json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _prefix(item: Mapping[str, Any], operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The path of the first server that is described nearest to the operation."""
    servers = operation.get("servers") or item.get("servers") or document.get("servers")
    if not isinstance(servers, list) or not servers or not isinstance(servers[0], dict):
        return ""
    variables = servers[0].get("variables") or {}

    def default(match: re.Match[str]) -> str:
        variable = variables.get(match[1])
        if not isinstance(variable, dict) or "default" not in variable:
            raise _Unfilled(f"the variable '{match[1]}' of its server has no default")
        return str(variable["default"])

    return urlsplit(_PLACEHOLDER.sub(default, str(servers[0].get("url", "")))).path.rstrip("/")


def _resolved(value: Any, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference (`$ref`) leads to, within the same document (RFC 6901)."""
    for _ in range(20):
        if not isinstance(value, dict):
            raise _Unfilled(f"a mapping is expected where {value!r} stands")
        reference = value.get("$ref")
        if reference is None:
            return value
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise _Unfilled(f"it refers to {reference!r}, outside of this document")
        value = document
        for step in reference[2:].split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or step not in value:
                raise _Unfilled(f"it refers to {reference!r}, which is not there")
            value = value[step]
    raise _Unfilled("its references go round in a circle")
