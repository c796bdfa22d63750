"""URLs of stores."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from strangler.config.schema.field_types.scalars import VARIABLE
from strangler.config.values.urls import parse_redis_url, parse_store_url

RedisUrl = TypeAliasType(
    "RedisUrl",
    Annotated[
        str,
        PlainValidator(parse_redis_url),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^((rediss?|unix)://.+|.*{VARIABLE}.*)$",
                "description": "redis://HOST:PORT/DATABASE, rediss:// for TLS, or unix://PATH.",
                "examples": ["redis://127.0.0.1:6379/0"],
            }
        ),
    ],
)
StoreUrl = TypeAliasType(
    "StoreUrl",
    Annotated[
        str,
        PlainValidator(parse_store_url),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^(sqlite:///.+|postgres(ql)?://.+|.*{VARIABLE}.*)$",
                "description": "sqlite:///PATH, relative to the YAML file, or postgresql://HOST/DATABASE.",
                "examples": ["sqlite:///var/strangler.sqlite3"],
            }
        ),
    ],
)
