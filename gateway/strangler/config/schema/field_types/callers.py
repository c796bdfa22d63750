"""Conditions on callers, and what identifies a caller."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from strangler.config.schema.field_types.scalars import VARIABLE
from strangler.config.values.callers import (
    CERTIFICATE_NAMES,
    KUBERNETES_SUBPROTOCOL,
    parse_certificate_name,
    parse_condition,
    parse_limit_key,
    parse_permission,
    parse_scope,
    parse_sticky,
    parse_token_place,
)
from strangler.model.auth import TokenPlace
from strangler.model.caller import Condition, StickyKey

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
                "description": "claim:NAME=VALUE, scope:NAME, certificate:NAME=VALUE (subject, dns or uri), "
                "header:NAME=VALUE, cookie:NAME=VALUE or ip:ADDRESS; without =VALUE any value matches.",
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
CertificateName = TypeAliasType(
    "CertificateName",
    Annotated[str, PlainValidator(parse_certificate_name), WithJsonSchema({"enum": list(CERTIFICATE_NAMES)})],
)
Scope = TypeAliasType(
    "Scope",
    Annotated[str, PlainValidator(parse_scope), WithJsonSchema({"type": "string", "pattern": r"^\S+$"})],
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
