"""The OpenAPI 3.1 description of the admin API, from the very operations that it serves.

python -m strangler.control.admin.openapi > docs/reference/admin-api.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from strangler.control.admin.access import need_of
from strangler.control.admin.api import operations
from strangler.control.admin.operations import JSON, Operation, Returned
from strangler.control.admin.problems import PROBLEM
from strangler.control.admin.rollouts import Rollouts
from strangler.control.admin.state import Shown

_PARAMETER = re.compile(r"\{(\w+)\}")
_EVERY = (400, 401, 403, 421)
"""Statuses that the guard may respond with."""
_REFUSALS = {
    400: "The request is malformed, or names two hosts.",
    401: "The request has no token where it requires one, or one that is not known.",
    403: "The token may not do this, or the request comes from a page of another origin.",
    404: "There is no such migration.",
    409: "The order does not fit the state of the rollout; the detail says why.",
    413: "The request is too large.",
    415: "The request is not JSON.",
    421: "The request's Host is not a name of the admin API.",
    422: "The request is not valid; the detail says why.",
    503: "The store can't be read or written.",
    504: "No gateway has carried out the order in time; it stands in the store, and will be carried out.",
}
_WORDS = {
    "nothing": "",
    "read": "Beyond loopback it requires a token.",
    "operate": "It requires a token that may `operate`.",
}


def description(found: Iterable[Operation]) -> dict[str, Any]:
    """The document that describes these operations."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM_SCHEMA}
    paths: dict[str, dict[str, Any]] = {}
    for operation in found:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admin API of strangler-gateway",
            "version": "1",
            "description": "The state of a gateway, and orders about its rollouts. Statuses 400, 401, 403 and 421 are"
            " about who asks, and come before anything else.",
        },
        "servers": [{"url": "http://127.0.0.1:8081"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {f"Refused{status}": _refusal(text) for status, text in _REFUSALS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_PROBLEM_SCHEMA = {
    "description": "A problem document (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string", "description": "The name of the status."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong."},
    },
    "required": ["type", "title", "status", "detail"],
}


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    need = need_of(operation.method, operation.path, beyond_loopback=True)
    responses = {"200": _returned(operation.returned, schemas)}
    if operation.unavailable is not None:
        responses["503"] = _returned(operation.unavailable, schemas)
    for status in sorted({*_EVERY, *operation.refusals}):
        responses[str(status)] = {"$ref": f"#/components/responses/Refused{status}"}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": _name(operation),
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in _PARAMETER.findall(operation.path)
            ),
            *(_query(name, schema) for name, schema in operation.query.items()),
        ],
        "responses": dict(sorted(responses.items())),
        # An empty alternative: without credentials, where loopback lets everyone read.
        "security": [] if need == "nothing" else [{"token": []}] if need == "operate" else [{}, {"token": []}],
    }
    if _WORDS[need]:
        described["description"] = _WORDS[need]
    if operation.body is not None:
        schema = _schema(operation.body, "validation", schemas)
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return described


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    about = schema["description"]
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": "query", "description": about, "schema": rest}


def _returned(returned: Returned, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = _schema(returned.document, "serialization", schemas) if returned.media == JSON else {"type": "string"}
    return {"description": returned.description, "content": {returned.media: {"schema": schema}}}


def _schema(kind: Any, mode: JsonSchemaMode, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a document; the types that have names are added to `schemas`."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    schema = adapter.json_schema(mode=mode, ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    title = schema.get("title")
    if title is None:
        return schema
    schemas[title] = schema
    return {"$ref": f"#/components/schemas/{title}"}


def _name(operation: Operation) -> str:
    words = [word for word in re.split(r"[/{}]+", operation.path) if word and word != "migration"]
    return "-".join([operation.method.lower(), *words])


def text() -> str:
    """The description as it is committed."""
    # Only descriptions are read of the operations here: no handler is called.
    nothing = cast(Any, None)
    found = operations(cast(Shown, nothing), cast(Rollouts, nothing))
    return json.dumps(description(found), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
