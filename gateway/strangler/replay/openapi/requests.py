"""GET requests from an OpenAPI 3 description, filled with the values that it names itself.

A parameter's values are its `example` and `examples`, those of its schema, the
schema's `default`, `const` and `enum`, and both booleans. Each operation is
asked once with the first value of each required parameter, and then with every
other value and every optional parameter, one at a time; so a description with
v values gives about v requests, not all combinations. Values are not
made up: an operation that lacks one is reported as unfilled, and optional
parameters without a value are reported as left out. What is described
wrongly is named, and costs what depends on it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from strangler.replay.openapi.description import Description, DescriptionError, Unresolved, read_description
from strangler.replay.openapi.parameters import (
    Parameter,
    Unfilled,
    cookie_text,
    header_text,
    parameters_of,
    path_text,
    query_texts,
    text_of,
)
from strangler.replay.recorded import TARGET_SAFE, RecordedRequest, RecordedRequests, RecordingError, fields_of, sayable

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_OTHER_METHODS = ("put", "post", "delete", "options", "head", "patch", "trace", "query")
_ODD = (Unresolved, TypeError, AttributeError, ValueError, KeyError, RecursionError)
_Chosen = list[tuple[Parameter, Any]]


def read_openapi(data: bytes, name: str) -> RecordedRequests:
    """The requests that the description `data`, in JSON or YAML, allows; `name` is what messages call it.

    Raises RecordingError where it is not OpenAPI 3.
    """
    try:
        document = read_description(data)
    except DescriptionError as error:
        raise RecordingError(f"{name}: {error}") from None
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        version = (
            f"swagger {document['swagger']}" if isinstance(document, dict) and "swagger" in document else "neither"
        )
        raise RecordingError(f"{name}: not OpenAPI 3: `openapi: 3.x` is expected at the top, found {version}")
    recording = RecordedRequests()
    paths = document.get("paths", {})
    if not isinstance(paths, dict):
        recording.unfilled.append("all paths: `paths` is no mapping")
        return recording
    reader = _RequestReader(Description(document), name, recording)
    for path, item in paths.items():
        if str(path).startswith("/"):
            reader.read(str(path), item)
        elif not str(path).startswith("x-"):
            recording.unfilled.append(sayable(f"GET {path}: a path starts with '/'"))
    return recording


class _RequestReader:
    """Adds the requests of one path after the other to `recording`."""

    def __init__(self, description: Description, name: str, recording: RecordedRequests) -> None:
        self._description = description
        self._name = name
        self._recording = recording

    def read(self, path: str, raw: Any) -> None:
        """Add the requests of `path`, and say what of its description is not asked."""
        recording = self._recording
        try:
            item = self._description.resolved(raw)
            recording.skipped.update(f"method {method.upper()}" for method in _OTHER_METHODS if method in item)
            if "get" in item:
                self._get(path, item)
        except (Unfilled, Unresolved) as reason:
            recording.unfilled.append(sayable(f"GET {path}: {reason}"))
        except _ODD as error:
            recording.unfilled.append(sayable(f"GET {path}: it is not described as OpenAPI 3 says: {error}"))

    def _get(self, path: str, item: Mapping[str, Any]) -> None:
        operation = item["get"]
        if not isinstance(operation, dict):
            raise Unfilled("its operation is no mapping")
        parameters = parameters_of(item, operation, self._description)
        for placeholder in _PLACEHOLDER.findall(path):
            if ("path", placeholder) not in parameters:
                raise Unfilled(f"its path parameter '{placeholder}' is not described")
        for parameter in parameters.values():
            if parameter.required and not parameter.values:
                why = f" ({parameter.odd[0]})" if parameter.odd else ""
                raise Unfilled(f"no example, default or enum for {parameter}{why}")
        prefix = self._prefix(item, operation)
        requests: dict[RecordedRequest, None] = {}
        for chosen in _choices(list(parameters.values())):
            try:
                requests[_request(prefix, path, chosen, f"{self._name}, GET {path}")] = None
            except (Unfilled, *_ODD) as reason:
                values = ", ".join(f"{parameter.name}={_shown(value)}" for parameter, value in chosen)
                self._recording.unfilled.append(sayable(f"GET {path} with {values or 'no value'}: {reason}"))
        self._recording.requests += requests
        self._say_left_out(path, list(parameters.values()))

    def _say_left_out(self, path: str, parameters: list[Parameter]) -> None:
        left = [f"{one.name} ({one.place})" for one in parameters if not one.required and not one.values]
        if left:
            said = f"GET {path}: without an example, default or enum, and so left out: {', '.join(left)}"
            self._recording.left_out.append(sayable(said))
        for parameter in parameters:
            for odd in parameter.odd:
                self._recording.left_out.append(sayable(f"GET {path}: a value of {parameter} is left out: {odd}"))

    def _prefix(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
        """The path of the first server that is described nearest to the operation."""
        servers = operation.get("servers") or item.get("servers") or self._description.root.get("servers")
        if not isinstance(servers, list) or not servers or not isinstance(servers[0], dict):
            return ""
        variables = servers[0].get("variables")

        def default(match: re.Match[str]) -> str:
            variable = variables.get(match[1]) if isinstance(variables, dict) else None
            return text_of(variable["default"]) if isinstance(variable, dict) and "default" in variable else match[0]

        # A relative URL is relative to where the description is served; a variable of the host does not matter here.
        url = _PLACEHOLDER.sub(default, str(servers[0].get("url", "")))
        path = urlsplit(urljoin("http://served.example/", url)).path
        missing = _PLACEHOLDER.search(path)
        if missing is not None:
            raise Unfilled(f"the variable '{missing[1]}' of its server has no default")
        return quote(path.rstrip("/"), safe=TARGET_SAFE)


def _choices(parameters: list[Parameter]) -> Iterator[_Chosen]:
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


def _request(prefix: str, path: str, chosen: _Chosen, source: str) -> RecordedRequest:
    in_path: dict[str, str] = {}
    query: list[str] = []
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for parameter, value in chosen:
        match parameter.place:
            case "path":
                in_path[parameter.name] = path_text(parameter, value)
            case "query":
                query += query_texts(parameter, value)
            case "header":
                headers.append((parameter.name, header_text(value)))
            case "cookie":
                cookies.append(cookie_text(parameter, value))
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    fields, _ = fields_of(headers)
    target = prefix + _filled(path.partition("#")[0], in_path)
    if query:
        target += f"{'&' if '?' in target else '?'}{'&'.join(query)}"
    return RecordedRequest("GET", target, fields, source=sayable(source), operation=sayable(f"GET {prefix}{path}"))


def _filled(path: str, values: Mapping[str, str]) -> str:
    """`path` with its placeholders replaced, and percent-encoded where a request line could not hold it."""
    parts = _PLACEHOLDER.split(path)
    for place, part in enumerate(parts):
        parts[place] = values[part] if place % 2 else quote(part, safe=TARGET_SAFE)
    return "".join(parts)


def _shown(value: Any) -> str:
    text = text_of(value) if isinstance(value, (str, bool, int, float)) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
