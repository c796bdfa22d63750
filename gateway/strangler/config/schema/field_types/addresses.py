"""Addresses, endpoints, hosts and networks."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from strangler.config.schema.field_types.scalars import VARIABLE
from strangler.config.values.endpoints import parse_endpoint, parse_listener, parse_name_server
from strangler.config.values.hosts import parse_match_host, parse_network, parse_server_name
from strangler.model.listener import ListenAddress
from strangler.model.upstream import Endpoint

Address = TypeAliasType(
    "Address",
    Annotated[
        ListenAddress,
        PlainValidator(parse_listener),
        WithJsonSchema(
            {
                "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 65535}],
                "description": "An address to listen on: host:port; a port alone means 127.0.0.1.",
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
                                "description": "Its share of the requests, relative to the other endpoints' weights.",
                            },
                        },
                        "required": ["url"],
                        "additionalProperties": False,
                    },
                ],
                "description": "A base URL: scheme http or https, host and port, no path; or {url: …, weight: …}, where"
                " the weight, a whole number, is its share of the requests relative to the other endpoints' weights"
                " (default 1).",
                "examples": ["http://127.0.0.1:8100"],
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
                "description": "The address of a name server, with its port unless it is 53.",
                "examples": ["10.0.0.10", "127.0.0.1:5353"],
            }
        ),
    ],
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
