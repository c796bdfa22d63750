"""Steps and windows of a rollout, and the URLs that it asks or notifies."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from strangler.config.schema.field_types.scalars import VARIABLE
from strangler.config.values.rollout import parse_step, parse_web_url, parse_window
from strangler.rollout.policy import Window

RolloutStep = TypeAliasType(
    "RolloutStep",
    Annotated[
        float,
        PlainValidator(parse_step),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "pattern": rf"^(shadow|extracted|.*{VARIABLE}.*)$"},
                    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100},
                ],
                "description": "shadow, a percentage of callers with up to two decimals, or extracted.",
                "examples": ["shadow", 5],
            }
        ),
    ],
)
RolloutWindow = TypeAliasType(
    "RolloutWindow",
    Annotated[
        Window,
        PlainValidator(parse_window),
        WithJsonSchema(
            {
                "type": "string",
                "description": "Days (Mon to Sun; ranges and lists), times of the day and a time zone. A window whose"
                " end is not after its start goes on into the next day.",
                "examples": ["Mon-Thu 09:00-16:00 Europe/Berlin"],
            }
        ),
    ],
)
WebUrl = TypeAliasType(
    "WebUrl",
    Annotated[
        str,
        PlainValidator(parse_web_url),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^(https?://.+|.*{VARIABLE}.*)$",
                "description": "An http:// or https:// URL.",
                "examples": ["http://prometheus:9090"],
            }
        ),
    ],
)
