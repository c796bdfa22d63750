"""Parts of HTTP messages."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from strangler.config.values.http_syntax import (
    parse_header_name,
    parse_header_value,
    parse_method,
    parse_origin,
    parse_upgrade,
)

HeaderName = TypeAliasType(
    "HeaderName", Annotated[str, PlainValidator(parse_header_name), WithJsonSchema({"type": "string"})]
)
HeaderValue = TypeAliasType(
    "HeaderValue", Annotated[str, PlainValidator(parse_header_value), WithJsonSchema({"type": "string"})]
)
Origin = TypeAliasType(
    "Origin",
    Annotated[
        str,
        PlainValidator(parse_origin),
        WithJsonSchema(
            {
                "type": "string",
                "examples": ["https://app.example", "https://*.app.example", "capacitor://localhost", "null", "*"],
            }
        ),
    ],
)
Method = TypeAliasType(
    "Method",
    Annotated[str, PlainValidator(parse_method), WithJsonSchema({"type": "string", "examples": ["GET", "POST"]})],
)
Upgrade = TypeAliasType(
    "Upgrade",
    Annotated[str, PlainValidator(parse_upgrade), WithJsonSchema({"type": "string", "examples": ["websocket"]})],
)
