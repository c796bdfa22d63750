"""Durations and sizes."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from strangler.config.schema.field_types.scalars import VARIABLE
from strangler.config.values.quantities import parse_duration, parse_positive_duration, parse_size

_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": rf"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d)|.*{VARIABLE}.*)$"},
        {"type": "number", "minimum": 0},
    ],
    "description": "A duration: 250ms, 5s, 1m, 1h, 7d or a number of seconds.",
    "examples": ["5s", "250ms"],
}
Duration = TypeAliasType(
    "Duration", Annotated[float, PlainValidator(parse_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
)
DurationOrZero = TypeAliasType(
    "DurationOrZero", Annotated[float, PlainValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
)
Size = TypeAliasType(
    "Size",
    Annotated[
        int,
        PlainValidator(parse_size),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "pattern": rf"^([0-9]+(B|KiB|MiB|GiB)|.*{VARIABLE}.*)$"},
                    {"type": "integer", "minimum": 1},
                ],
                "description": "A size: 8KiB, 1MiB, 1GiB or a number of bytes.",
                "examples": ["8KiB"],
            }
        ),
    ],
)
