"""The types of fields, by the names that the JSON Schema and the reference know them by.

A number or a boolean may come from the environment, where everything is text.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from strangler.config.text.environment import Substituted
from strangler.config.text.values import (
    CERTIFICATE_NAMES,
    KUBERNETES_SUBPROTOCOL,
    parse_certificate_name,
    parse_condition,
    parse_duration,
    parse_endpoint,
    parse_header_name,
    parse_header_value,
    parse_limit_key,
    parse_listener,
    parse_match_host,
    parse_method,
    parse_name_server,
    parse_network,
    parse_origin,
    parse_permission,
    parse_positive_duration,
    parse_redis_url,
    parse_scope,
    parse_server_name,
    parse_size,
    parse_sticky,
    parse_store_url,
    parse_token_place,
    parse_upgrade,
)
from strangler.model.auth import TokenPlace
from strangler.model.caller import Condition, StickyKey
from strangler.model.listener import Listener
from strangler.model.upstream import Endpoint

VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"


def _number_from_environment(value: object) -> object:
    if isinstance(value, Substituted):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def _boolean_from_environment(value: object) -> object:
    if isinstance(value, Substituted) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def _one_or_many(value: object) -> object:
    return value if isinstance(value, (list, dict)) or value is None else [value]


_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": rf"^([0-9]+(\.[0-9]+)?(ms|s|m|h)|.*{VARIABLE}.*)$"},
        {"type": "number", "minimum": 0},
    ],
    "description": "A duration: 250ms, 5s, 1m, 1h or a number of seconds.",
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
Address = TypeAliasType(
    "Address",
    Annotated[
        Listener,
        PlainValidator(parse_listener),
        WithJsonSchema(
            {
                "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 65535}],
                "description": "An address to listen on: host:port; a port alone is one on 127.0.0.1.",
                "examples": ["127.0.0.1:8080"],
            }
        ),
    ],
)
EndpointUrl = TypeAliasType(
    "EndpointUrl",
    Annotated[
        Endpoint,
        PlainValidator(parse_endpoint),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "properties": {
                            "url": {"type": "string", "description": "The base URL."},
                            "weight": {
                                "anyOf": [
                                    {"type": "integer", "minimum": 1},
                                    {"type": "string", "pattern": f"^{VARIABLE}$"},
                                ],
                                "default": 1,
                                "description": "Its share of the requests, beside the other endpoints' weights.",
                            },
                        },
                        "required": ["url"],
                        "additionalProperties": False,
                    },
                ],
                "description": "A base URL: scheme http or https, host and port, no path; or {url: …, weight: …}, "
                "where the weight, a whole number, is its share of the requests beside the other endpoints' (1).",
                "examples": ["http://127.0.0.1:8100"],
            }
        ),
    ],
)
Sticky = TypeAliasType(
    "Sticky",
    Annotated[
        StickyKey,
        PlainValidator(parse_sticky),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^((claim|header|cookie):.+|certificate|ip|visitor|none|.*{VARIABLE}.*)$",
                "description": "claim:NAME, header:NAME, cookie:NAME, certificate, ip, visitor or none.",
                "examples": ["claim:sub", "visitor"],
            }
        ),
    ],
)
_CONDITION_PATTERN = rf"^((claim|scope|certificate|header|cookie|ip):.+|.*{VARIABLE}.*)$"
CallerCondition = TypeAliasType(
    "CallerCondition",
    Annotated[
        Condition,
        PlainValidator(parse_condition),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": _CONDITION_PATTERN,
                "description": "claim:NAME=VALUE, scope:NAME, certificate:NAME=VALUE (subject, dns or uri),"
                " header:NAME=VALUE, cookie:NAME=VALUE or ip:ADDRESS; without =VALUE it is enough that it is there.",
                "examples": ["claim:tenant=acme", "scope:beta"],
            }
        ),
    ],
)
Permission = TypeAliasType(
    "Permission",
    Annotated[
        Condition,
        PlainValidator(parse_permission),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^((claim|scope|certificate):.+|.*{VARIABLE}.*)$",
                "description": "claim:NAME=VALUE, scope:NAME or certificate:NAME=VALUE.",
                "examples": ["claim:role=engineer"],
            }
        ),
    ],
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
Network = TypeAliasType(
    "Network",
    Annotated[
        str,
        PlainValidator(parse_network),
        WithJsonSchema({"type": "string", "description": "An address or a CIDR block.", "examples": ["10.0.0.0/8"]}),
    ],
)
MatchHost = TypeAliasType(
    "MatchHost",
    Annotated[
        str,
        PlainValidator(parse_match_host),
        WithJsonSchema({"type": "string", "examples": ["shop.example", "*.shop.example"]}),
    ],
)
ServerName = TypeAliasType(
    "ServerName",
    Annotated[
        str,
        PlainValidator(parse_server_name),
        WithJsonSchema({"type": "string", "examples": ["catalog.internal.example"]}),
    ],
)
Scope = TypeAliasType(
    "Scope",
    Annotated[str, PlainValidator(parse_scope), WithJsonSchema({"type": "string", "pattern": r"^\S+$"})],
)
LimitKey = TypeAliasType(
    "LimitKey",
    Annotated[
        StickyKey,
        PlainValidator(parse_limit_key),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^((claim|header|cookie):.+|certificate|ip|.*{VARIABLE}.*)$",
                "description": "claim:NAME, header:NAME, cookie:NAME, certificate or ip.",
                "examples": ["claim:sub", "ip"],
            }
        ),
    ],
)
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
CertificateName = TypeAliasType(
    "CertificateName",
    Annotated[str, PlainValidator(parse_certificate_name), WithJsonSchema({"enum": list(CERTIFICATE_NAMES)})],
)
Upgrade = TypeAliasType(
    "Upgrade",
    Annotated[str, PlainValidator(parse_upgrade), WithJsonSchema({"type": "string", "examples": ["websocket"]})],
)
UpgradeToken = TypeAliasType(
    "UpgradeToken",
    Annotated[
        TokenPlace,
        PlainValidator(parse_token_place),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^((query|subprotocol|subprotocol-pair):.+|kubernetes|.*{VARIABLE}.*)$",
                "description": "query:NAME for a query parameter; of Sec-WebSocket-Protocol, subprotocol:NAME for an"
                " entry NAME.TOKEN, subprotocol-pair:NAME for the entry after NAME, and kubernetes for"
                f" {KUBERNETES_SUBPROTOCOL}.TOKEN in base64url.",
                "examples": ["subprotocol:bearer"],
            }
        ),
    ],
)
NameServer = TypeAliasType(
    "NameServer",
    Annotated[
        tuple[str, int],
        PlainValidator(parse_name_server),
        WithJsonSchema(
            {
                "type": "string",
                "description": "The address of a name server, with its port unless that is 53.",
                "examples": ["10.0.0.10", "127.0.0.1:5353"],
            }
        ),
    ],
)
Whole = Annotated[int, BeforeValidator(_number_from_environment)]
HttpStatus = Annotated[Whole, Field(ge=100, le=599)]
FailureStatus = Annotated[Whole, Field(ge=400, le=599)]
Count = Annotated[Whole, Field(ge=1)]
Number = Annotated[float, BeforeValidator(_number_from_environment), Field(allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_boolean_from_environment)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class OneOrMany:
    """Marks a list field that may be written as a single item."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(_one_or_many, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}
