"""`admin:` in the YAML: where the admin API listens, and who may use it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from pydantic_core import core_schema

from strangler.config.schema.field_types.addresses import Address, ServerName
from strangler.config.schema.field_types.scalars import Name
from strangler.config.schema.section import Section, Text
from strangler.model.listener import ListenAddress


class OrAddress:
    """Marks the section that may be written as its address alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(_section, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 65535}, handler(schema)]}


def _section(value: Any) -> Any:
    return value if isinstance(value, (dict, AdminSection)) or value is None else {"listen": value}


class AdminTokenSection(Section):
    """A bearer token of the admin API."""

    token: Text = Field(
        description="The token: `${NAME}` from the environment or `file:PATH`, never the token itself. At least 32"
        " characters, such as `openssl rand -hex 32` prints.",
        examples=["${STRANGLER_CI_TOKEN}", "file:/run/secrets/strangler-operator"],
    )
    may: Literal["read", "operate"] = Field(
        default="read", description="Whether its holder may only read, or also command rollouts and freeze them."
    )


class AdminSection(Section):
    """The admin API. Its address alone may be written as `admin: 127.0.0.1:8081`."""

    listen: Address = Field(
        default=ListenAddress("127.0.0.1", 8081),
        description="The address. Beyond loopback, every request but for /livez and /readyz requires a token, so there"
        " has to be one.",
    )
    tokens: dict[Name, AdminTokenSection] = Field(
        default={},
        description="Tokens by the name of their holder, which the log and the history of rollouts show. A token in the"
        " environment variable `STRANGLER_ADMIN_TOKEN` is one of `operator`.",
    )
    hosts: list[ServerName] = Field(
        default=[],
        description="Names by which the admin API may be requested, besides IP addresses, `localhost` and the host of"
        " `listen`; others get 421, since a page in a browser could have made them (DNS rebinding).",
        examples=[["gateway-1.internal.example"]],
    )
