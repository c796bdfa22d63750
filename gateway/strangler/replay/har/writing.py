"""Captured pairs as an HTTP Archive (HAR 1.2): each request, and the response that its caller got.

Cookies that a response sets are left out; other values that are redacted stand
as such, so that `har` knows what is missing when it reads the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from urllib.parse import parse_qsl

import orjson

from strangler.redaction.redaction import REDACTED

Fields = Iterable[tuple[str, str]]


def har_of(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """The archive of documents that a capture has collected."""
    creator = {"name": "strangler-gateway", "version": metadata.version("strangler-gateway")}
    log = {"version": "1.2", "creator": creator, "entries": [_entry(document) for document in documents]}
    return orjson.dumps({"log": log}, option=orjson.OPT_INDENT_2)


def _entry(document: Mapping[str, Any]) -> dict[str, Any]:
    response = document[document["served"]]
    milliseconds = round(response["seconds"] * 1000, 3)
    return {
        "startedDateTime": datetime.fromtimestamp(document["at"], UTC).isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": _request(document["request"]),
        "response": _response(response),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }


def _request(request: Mapping[str, Any]) -> dict[str, Any]:
    fields = request["headers"]
    body = request["body"]
    entry: dict[str, Any] = {
        "method": request["method"],
        "url": f"http://{_value(fields, 'host') or 'localhost'}{request['target']}",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(fields),
        "queryString": _pairs(parse_qsl(request["target"].partition("?")[2], keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": -1 if body is None else len(body.encode()),
    }
    if body != "":
        # A body that is no text was not stored.
        entry["postData"] = {
            "mimeType": _value(fields, "content-type") or "",
            "text": REDACTED if body is None else body,
        }
    return entry


def _response(response: Mapping[str, Any]) -> dict[str, Any]:
    fields = [(name, value) for name, value in response["headers"] if name.lower() != "set-cookie"]
    content: dict[str, Any] = {"size": response["bytes"], "mimeType": _value(fields, "content-type") or ""}
    if response["body"] is not None:
        content["text"] = response["body"]
    return {
        "status": response["status"],
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(fields),
        "content": content,
        "redirectURL": _value(fields, "location") or "",
        "headersSize": -1,
        "bodySize": response["bytes"],
    }


def _value(fields: Fields, wanted: str) -> str | None:
    return next((value for name, value in fields if name.lower() == wanted), None)


def _pairs(fields: Fields) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields]
