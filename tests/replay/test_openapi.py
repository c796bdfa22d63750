"""Requests from OpenAPI 3 descriptions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.replay.openapi.requests import read_openapi
from strangler.replay.recorded import RecordedRequests, RecordingError


def read(paths: str, more: str = "") -> RecordedRequests:
    return read_openapi(f"openapi: 3.1.0\ninfo: {{title: Shop, version: '1'}}\n{more}\n{paths}".encode(), "shop.yaml")


def asked(recording: RecordedRequests) -> list[str]:
    return [str(request) for request in recording.requests]


def test_an_operation_without_parameters() -> None:
    recording = read("paths: {/products: {get: {}}}")
    assert asked(recording) == ["GET /products"]
    assert recording.requests[0].operation == "GET /products"


def test_every_value_that_is_named_is_asked_once() -> None:
    recording = read(
        """
paths:
  /products/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}, examples: {one: {value: 1}, two: {value: 2}}}
    get:
      parameters:
        - {name: sort, in: query, schema: {type: string, enum: [name, price], default: name}}
        - {name: stock, in: query, schema: {type: boolean}}
        - {name: free, in: query, schema: {type: string}}
"""
    )
    assert asked(recording) == [
        "GET /products/1",
        "GET /products/2",
        "GET /products/1?sort=name",
        "GET /products/1?sort=price",
        "GET /products/1?stock=true",
        "GET /products/1?stock=false",
        "GET /products/1?sort=name&stock=true",
    ]
    assert {request.operation for request in recording.requests} == {"GET /products/{id}"}


def test_what_lacks_a_value_is_said() -> None:
    recording = read(
        """
paths:
  /products/{id}: {get: {parameters: [{name: id, in: path, required: true, schema: {type: integer}}]}}
  /orders/{id}: {get: {}}
  /search: {get: {parameters: [{name: q, in: query, required: true, schema: {type: string}}]}}
  /other: {get: {parameters: [{$ref: 'other.yaml#/q'}]}}
  /circle: {get: {parameters: [{$ref: '#/components/a'}]}}
components: {a: {$ref: '#/components/a'}}
"""
    )
    assert recording.requests == []
    assert recording.unfilled == [
        "GET /products/{id}: no example, default or enum for the path parameter 'id'",
        "GET /orders/{id}: its path parameter 'id' is not described",
        "GET /search: no example, default or enum for the query parameter 'q'",
        "GET /other: it refers to 'other.yaml#/q', outside of this document: join the files into one first",
        "GET /circle: its references go round in a circle",
    ]


def test_references_servers_and_other_methods() -> None:
    recording = read(
        """
paths:
  /products:
    get: {parameters: [{$ref: '#/components/parameters/page'}]}
    post: {}
  /orders: {post: {}, delete: {}}
components:
  parameters: {page: {name: page, in: query, required: true, schema: {$ref: '#/components/schemas/page'}}}
  schemas: {page: {type: integer, examples: [2]}}
""",
        "servers: [{url: 'https://{stage}.shop.example/v{n}/', variables: {stage: {default: test}, n: {default: 1}}}]",
    )
    assert asked(recording) == ["GET /v1/products?page=2"]
    assert recording.requests[0].operation == "GET /v1/products"
    assert recording.skipped == {"method POST": 2, "method DELETE": 1}


@pytest.mark.parametrize(
    ("parameter", "target"),
    [
        ("{name: q, in: query, required: true, example: 'a b/é&c'}", "/s?q=a%20b%2F%C3%A9%26c"),
        ("{name: q, in: query, required: true, example: [a, b]}", "/s?q=a&q=b"),
        ("{name: q, in: query, required: true, explode: false, example: [a, b]}", "/s?q=a,b"),
        ("{name: q, in: query, required: true, style: pipeDelimited, example: [a, b]}", "/s?q=a%7Cb"),
        ("{name: q, in: query, required: true, style: deepObject, example: {a: 1, b: true}}", "/s?q[a]=1&q[b]=true"),
        ("{name: q, in: query, required: true, example: {a: 1, b: 2}}", "/s?a=1&b=2"),
        ("{name: q, in: query, required: true, example: 2026-01-05}", "/s?q=2026-01-05"),
        (
            "{name: q, in: query, required: true, content: {application/json: {example: {a: [1]}}}}",
            "/s?q=%7B%22a%22%3A%5B1%5D%7D",
        ),
        ("{name: q, in: query, required: true, schema: {type: array, items: {enum: [x]}}}", "/s?q=x"),
        ("{name: q, in: query, required: true, schema: {allOf: [{default: 7}]}}", "/s?q=7"),
    ],
)
def test_how_values_are_written(parameter: str, target: str) -> None:
    (request,) = read(f"paths: {{/s: {{get: {{parameters: [{parameter}]}}}}}}").requests
    assert request.target == target


def test_a_schema_that_refers_to_itself_ends() -> None:
    recording = read(
        """
paths: {/s: {get: {parameters: [{name: q, in: query, schema: {$ref: '#/components/schemas/tree'}}]}}}
components: {schemas: {tree: {example: x, type: array, items: {$ref: '#/components/schemas/tree'}}}}
"""
    )
    assert {"GET /s", "GET /s?q=x"} <= set(asked(recording))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["q", "/s", "query", "path", "#/paths", "form", "{q}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "get",
                    "parameters",
                    "name",
                    "in",
                    "schema",
                    "example",
                    "examples",
                    "enum",
                    "items",
                    "type",
                    "$ref",
                    "servers",
                    "url",
                    "variables",
                    "content",
                    "allOf",
                    "style",
                    "explode",
                    "required",
                    "value",
                    "/s",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(_JSON)
def test_whatever_is_described_wrongly_is_said_and_never_ends_the_reading(paths: object) -> None:
    document = {"openapi": "3.1.0", "paths": {"/fine": {"get": {}}, "/s": paths}, "servers": [{"url": "/v1"}]}
    assert "GET /v1/fine" in asked(read_openapi(json.dumps(document).encode(), "shop.json"))


def test_headers_and_cookies() -> None:
    recording = read(
        """
paths:
  /s:
    get:
      parameters:
        - {name: X-Tenant, in: header, required: true, example: acme}
        - {name: theme, in: cookie, required: true, example: dark}
        - {name: Authorization, in: header, required: true}
"""
    )
    (request,) = recording.requests
    assert request.headers == (("X-Tenant", "acme"), ("Cookie", "theme=dark"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"swagger: '2.0'", "not OpenAPI 3: `openapi: 3.x` is expected at the top, found swagger 2.0"),
        (b"[]", "not OpenAPI 3"),
        (b"{", "neither JSON nor YAML"),
        (b"openapi: 3.0.0\ninfo: {x: [}", "neither JSON nor YAML: while parsing"),
    ],
)
def test_what_is_no_such_description_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(RecordingError) as raised:
        read_openapi(data, "shop.yaml")
    assert str(raised.value).startswith("shop.yaml: ")
    assert said in str(raised.value)
