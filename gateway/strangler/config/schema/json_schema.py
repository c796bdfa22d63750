"""The JSON Schema of the YAML, so that editors complete and check it as it is written.

    python -m strangler.config.schema.json_schema > config/gateway.schema.json

Pydantic's schema, made to fit what people write: nothing may be null but
header and query conditions, numbers and booleans may be `${NAME}`, defaults
are spelled as one would in YAML, and `x-` keys are a place for anchors.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from strangler.config.schema.configuration import Configuration
from strangler.config.schema.field_types.scalars import VARIABLE
from strangler.model.listener import ListenAddress

Schema = dict[str, Any]

_VARIABLE: Schema = {"$ref": "#/$defs/Variable"}

# Pydantic leaves bounds in its own words where a validator stands before them.
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def schema() -> Schema:
    """The schema as a mapping."""
    generated = Configuration.model_json_schema(by_alias=True)
    definitions: dict[str, Schema] = {name: _tidy(part) for name, part in generated.pop("$defs").items()}
    definitions["Variable"] = {
        "type": "string",
        "pattern": f"^{VARIABLE}$",
        "description": "A variable of the environment: ${NAME}, or ${NAME:-default}.",
    }
    root = _tidy(generated)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Strangler gateway configuration",
        "description": root.pop("description"),
        **root,
        "patternProperties": {"^x-": {"description": "Ignored: a place for anchors."}},
        "$defs": dict(sorted(definitions.items())),
    }


def _tidy(part: Schema) -> Schema:
    """One object or named type, without what only pydantic cares for."""
    tidied = {key: value for key, value in part.items() if key != "title"}
    if "properties" in tidied:
        tidied["properties"] = {name: _property(value) for name, value in tidied["properties"].items()}
    return tidied


def _property(part: Schema) -> Schema:
    tidied = {key: value for key, value in part.items() if key not in ("title", "default")}
    if "anyOf" in tidied:
        alternatives = [one for one in tidied["anyOf"] if one != {"type": "null"}]
        if len(alternatives) == 1:
            del tidied["anyOf"]
            tidied = {**alternatives[0], **tidied}
        else:
            tidied["anyOf"] = alternatives
    if "patternProperties" in tidied:
        tidied["additionalProperties"] = False
    if tidied.get("type") in ("integer", "number", "boolean"):
        for bound, keyword in _BOUNDS.items():
            if bound in tidied:
                tidied[keyword] = tidied.pop(bound)
        about: Schema = {key: tidied.pop(key) for key in ("description", "examples") if key in tidied}
        tidied = {"anyOf": [tidied, _VARIABLE], **about}
    default = _spelled(part.get("default"), str(tidied.get("$ref", "")).rpartition("/")[2])
    if default is not None:
        tidied["default"] = default
    return tidied


def _spelled(default: Any, kind: str) -> Any:
    """A default as one would write it; None where there is none worth showing."""
    if kind in ("Duration", "DurationOrZero"):
        return spell_duration(default) if default is not None else None
    if kind == "Size":
        return spell_size(default) if default is not None else None
    if kind == "Address":
        return str(ListenAddress(**default))
    return None if isinstance(default, (dict, list)) else default


def spell_duration(seconds: float) -> str:
    """`90s`, `7d`: the largest unit in which it is a whole number."""
    milliseconds = round(seconds * 1000)
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def spell_size(size: int) -> str:
    """`8KiB`: the largest unit in which it is a whole number."""
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size and size % length == 0:
            return f"{size // length}{unit}"
    return f"{size}B"


def text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
