"""From pydantic's errors to problems: where it stands, what is wrong, what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from strangler.config.schema.configuration import Configuration
from strangler.config.text.document import Document, Step
from strangler.config.text.problems import Problem, closest, described, suggestion

_EXPECTED = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}
_PATTERNS = {
    "request": "expected a method and a path, such as GET /api/products",
    "path": "must start with '/'",
}
_NAME = "a name consists of letters, digits, '.', '_' and '-', and begins with a letter or a digit"


def problems_of(error: ValidationError, document: Document) -> list[Problem]:
    """What `error` found, in words and at its place in `document`."""
    details = error.errors(include_url=False)
    meant = {
        (*detail["loc"][:-1], closest(str(detail["loc"][-1]), keys_at(detail["loc"][:-1])))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    # A misspelt key that must be there is one mistake, not an unknown key and a missing one.
    return [
        _problem(detail, document) for detail in details if not (detail["type"] == "missing" and detail["loc"] in meant)
    ]


def _problem(detail: ErrorDetails, document: Document) -> Problem:
    kind, loc = detail["type"], detail["loc"]
    if kind == "missing":
        where = f" in {dotted(loc[:-1])}" if loc[:-1] else ""
        return Problem(document.source(*loc[:-1]), f"the key '{loc[-1]}' is missing{where}")
    if kind == "extra_forbidden":
        where = f" in {dotted(loc[:-1])}" if loc[:-1] else ""
        hint = suggestion(str(loc[-1]), keys_at(loc[:-1]))
        return Problem(document.source(*loc, key=True), f"unknown key '{loc[-1]}'{where}", hint)
    on_key = loc[-1] == "[key]"
    path = loc[:-1] if on_key else loc
    message, hint = _words(path, on_key, detail)
    return Problem(document.source(*path, key=on_key or kind == "no_value"), f"{dotted(path)}: {message}", hint)


def _words(path: tuple[Step, ...], on_key: bool, detail: ErrorDetails) -> tuple[str, str | None]:
    """Return the message and the hint."""
    kind, value, context, message = detail["type"], detail["input"], detail.get("ctx", {}), detail["msg"]
    if kind == "value_error":
        text = str(context["error"])
        said, separator, hint = text.partition("; did you mean ")
        return said, f"did you mean {hint}" if separator else None
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]}, found {value}", None
    if kind in _EXPECTED:
        if value is None:
            return "has no value", None
        return f"expected {_EXPECTED[kind]}, found {described(value)}", _quoting(kind, value)
    if kind in ("enum", "literal_error"):
        known = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"{described(value)} is not one of {', '.join(known)}", suggestion(str(value), known)
    if kind == "string_pattern_mismatch":
        field = path[-1] if path and isinstance(path[-1], str) else ""
        return (_NAME if on_key or field == "name" else _PATTERNS.get(field, message)), None
    if kind == "too_short":
        return "must hold at least one", None
    if kind == "string_too_short":
        return "is empty", None
    return message[:1].lower() + message[1:], None


def _quoting(kind: str, value: Any) -> str | None:
    if kind == "string_type" and isinstance(value, bool):
        return f'YAML reads this as a boolean; put it in quotes: "{str(value).lower()}"'
    if kind == "string_type" and isinstance(value, (int, float)):
        return f'put it in quotes: "{value}"'
    if kind.startswith("bool_") and isinstance(value, str):
        if value.lower() in ("on", "yes", "y"):
            return "write true"
        if value.lower() in ("off", "no", "n"):
            return "write false"
    return None


def dotted(path: Iterable[Step]) -> str:
    """A path as people write it: `migrations.catalog.routes[0].match`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def keys_at(path: Iterable[Step]) -> tuple[str, ...]:
    """The keys that the mapping at `path` may have; none where it may have any."""
    kind: Any = Configuration
    for step in path:
        kind = _below(kind, step)
    model = _model(kind)
    return () if model is None else tuple(field.alias or name for name, field in model.model_fields.items())


def _below(kind: Any, step: Step) -> Any:
    model = _model(kind)
    if model is not None:
        for name, field in model.model_fields.items():
            if step == (field.alias or name):
                return field.annotation
        return None
    for part in (kind, *get_args(kind)):
        if get_origin(part) in (dict, list):
            return get_args(part)[-1]
        if get_args(part) and part is not kind:
            value = _below(part, step)
            if value is not None:
                return value
    return None


def _model(kind: Any) -> type[BaseModel] | None:
    if get_origin(kind) in (dict, list):
        return None
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
