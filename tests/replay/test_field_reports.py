"""Descriptions and recordings as they are found in the field (docs/troubleshooting.md, "Seen in the field")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.replay.openapi import read_openapi
from gateway.replay.recorded import Recording

# OpenAPI


def described(paths: Any, version: str = "3.1.0", **more: Any) -> Recording:
    document = {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}
    return read_openapi(json.dumps(document).encode(), "shop.json")


def in_yaml(text: str, version: str = "3.1.0") -> Recording:
    return read_openapi(f"openapi: {version}\ninfo: {{title: Shop, version: '1'}}\n{text}".encode(), "shop.yaml")


def targets(recording: Recording) -> list[str]:
    return [request.target for request in recording.requests]


def query(**described_as: Any) -> dict[str, Any]:
    return {"get": {"parameters": [{"name": "q", "in": "query", "required": True, **described_as}]}}


def test_json_is_read_as_json() -> None:
    document = (
        b'{"openapi": "3.0.3", "info": {"title": "\\ud83d\\ude00 \\/ =", "x": "\\u003d"},\t"paths": {"/s": {"get": {'
        b'"parameters": [{"name": "q", "in": "query", "required": true, "example": "\\ud83d\\ude00="}]}}}}'
    )
    assert targets(read_openapi(document, "shop.json")) == ["/s?q=%F0%9F%98%80%3D"]
    assert targets(read_openapi(b"\xef\xbb\xbf" + document, "shop.json")) == ["/s?q=%F0%9F%98%80%3D"]


@pytest.mark.parametrize(
    "written",
    [
        "NO",
        "yes",
        "Off",
        "01067",
        "12:30",
        "2026-01-05",
        "2026-13-45",
        "0x1F",
        "0o17",
        "1_000",
        "=",
        "1.10",
        "1e3",
        "True",
    ],
)
def test_what_yaml_1_1_would_change_stays_as_it_is_written(written: str) -> None:
    parameter = f"{{name: q, in: query, required: true, schema: {{type: string}}, example: {written}}}"
    recording = in_yaml(f"paths: {{/s: {{get: {{parameters: [{parameter}]}}}}}}")
    assert targets(recording) == [f"/s?q={written.replace('=', '%3D').replace(':', '%3A')}"]


def test_enumerated_countries_are_all_asked() -> None:
    recording = in_yaml(
        "paths: {/s: {get: {parameters: [{name: c, in: query, required: true, schema: {enum: [NO, SE, ON]}}]}}}"
    )
    assert targets(recording) == ["/s?c=NO", "/s?c=SE", "/s?c=ON"]


def test_yaml_tags_that_nobody_knows_are_let_be() -> None:
    recording = in_yaml("x: !Ref a\ny: !!timestamp 5\n? [1]\n: z\npaths: !Mapping {/s: {get: {}}}")
    assert targets(recording) == ["/s"]


@pytest.mark.parametrize(
    "reference",
    [
        "#/components/parameters/page%20size",
        "#/components/parameters/page size",
        "#/paths/~1products~1%7Bid%7D/parameters/0",
        "#/paths/~1products~1{id}/parameters/0",
        "#/components/x-list/1",
        "#size",
    ],
)
def test_every_valid_reference_is_followed(reference: str) -> None:
    size = {"$anchor": "size", "name": "size", "in": "query", "required": True, "example": 5}
    recording = described(
        {"/s": {"get": {"parameters": [{"$ref": reference}]}}, "/products/{id}": {"parameters": [size]}},
        components={"parameters": {"page size": size}, "x-list": [{}, size]},
    )
    assert targets(recording) == ["/s?size=5"]


def test_references_reach_under_keys_that_are_numbers() -> None:
    recording = in_yaml(
        "paths: {/s: {get: {parameters: [{name: q, in: query, required: true, schema: {$ref: '#/x/200'}}]}}}\n"
        "x: {200: {example: a}}"
    )
    assert targets(recording) == ["/s?q=a"]


def test_what_stands_beside_a_reference_counts_since_3_1() -> None:
    paths = {"/s": query(schema={"$ref": "#/components/schemas/size", "default": 7})}
    components = {"schemas": {"size": {"type": "integer", "default": 5}}}
    assert targets(described(paths, components=components)) == ["/s?q=7"]
    assert targets(described(paths, version="3.0.3", components=components)) == ["/s?q=5"]


def test_all_of_is_one_schema() -> None:
    part = {"allOf": [{"$ref": "#/components/schemas/sort"}, {"enum": ["price", "stock"]}]}
    recording = described({"/s": query(schema=part)}, components={"schemas": {"sort": {"enum": ["name", "price"]}}})
    assert targets(recording) == ["/s?q=price"]


def test_a_type_may_be_a_list() -> None:
    recording = described(
        {
            "/a": query(schema={"type": ["boolean", "null"]}),
            "/b": query(schema={"type": ["null", "array"], "items": {"type": ["string"], "enum": ["x", None]}}),
        }
    )
    assert targets(recording) == ["/a?q=true", "/a?q=false", "/b?q=x"]


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        *(("v1", "/v1"), ("./v1/", "/v1"), ("../api/v1", "/api/v1"), (".", ""), ("", ""), ("/", ""), ("/v1", "/v1")),
        *(("//api.shop.example/v1", "/v1"), ("https://{tenant}.shop.example:{port}/v1", "/v1")),
        *(("https://shop.example", ""), ("/api für alle", "/api%20f%C3%BCr%20alle"), ("/a%20b", "/a%20b")),
    ],
)
def test_servers_may_be_relative(url: str, prefix: str) -> None:
    assert targets(described({"/s": {"get": {}}}, servers=[{"url": url}])) == [f"{prefix}/s"]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("/two words", "/two%20words"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a#by-name", "/a"),
        ("/a?kind=x", "/a?kind=x"),
    ],
)
def test_paths_are_percent_encoded(path: str, target: str) -> None:
    assert targets(described({path: {"get": {}}})) == [target]


def test_a_placeholder_may_have_any_name() -> None:
    parameter = {"name": "größe id", "in": "path", "example": "a/b ü"}
    recording = described({"/ß/{größe id}": {"get": {"parameters": [parameter]}}})
    assert targets(recording) == ["/%C3%9F/a%2Fb%20%C3%BC"]


def test_one_odd_part_costs_what_depends_on_it_alone_and_is_named() -> None:
    recording = described(
        {
            "/null": None,
            "/list": [],
            "/get-null": {"get": None},
            "/parameters": {"get": {"parameters": 5}},
            "/broken": {"get": {"parameters": [{"$ref": "#/nowhere"}]}},
            "odd": {"get": {}},
            "x-extension": 5,
            "/place": query(**{"in": "body", "example": 1}),
            "/value": query(examples={"a": {"$ref": "#/nowhere"}, "b": {"value": "ok"}, "c": {"value": "\ud800"}}),
            "/schema": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"$ref": "#/nowhere"}}]}},
            "/header": {
                "get": {
                    "parameters": [
                        {"name": "X", "in": "header", "examples": {"a": {"value": "a\nb"}, "b": {"value": "c"}}}
                    ]
                }
            },
            "/style": {"get": {"parameters": [{"name": "q", "in": "query", "example": 1}]}},
            "/fine": {"get": {}},
        }
    )
    assert targets(recording) == ["/value?q=ok", "/schema", "/header", "/header", "/style", "/style?q=1", "/fine"]
    said = "\n".join([*recording.unfilled, *recording.left_out])
    for place in (
        "/null",
        "/list",
        "/get-null",
        "/parameters",
        "/broken",
        "odd",
        "/place",
        "/value",
        "/schema",
        "/header",
    ):
        assert f"GET {place}" in said
    said.encode("utf-8")
    assert any(line.startswith("GET /header with X=a\nb: ") for line in recording.unfilled)


def test_optional_parameters_that_are_left_out_are_said() -> None:
    recording = described(
        {
            "/s": {
                "get": {
                    "parameters": [
                        {"name": "page", "in": "query", "schema": {"type": "integer"}},
                        {"name": "X-Tenant", "in": "header", "schema": {"type": "string"}},
                        {"name": "sort", "in": "query", "schema": {"enum": ["name"]}},
                    ]
                }
            }
        }
    )
    assert targets(recording) == ["/s", "/s?sort=name"]
    assert recording.left_out == [
        "GET /s: without an example, default or enum, and so left out: page (query), X-Tenant (header)"
    ]


def test_a_reference_to_another_file_says_what_to_do() -> None:
    recording = described({"/s": {"$ref": "paths/s.yaml"}, "/fine": {"get": {}}})
    assert targets(recording) == ["/fine"]
    assert recording.unfilled == [
        "GET /s: it refers to 'paths/s.yaml', outside of this document: join the files into one first"
    ]


def test_numbers_in_json_values_stay_as_they_are_written() -> None:
    recording = in_yaml(
        "paths: {/s: {get: {parameters: [{name: q, in: query, required: true, content: {application/json: {example: "
        "{price: 1.10, on: [true, null, x]}}}}]}}}"
    )
    assert targets(recording) == ["/s?q=%7B%22price%22%3A1.10%2C%22on%22%3A%5Btrue%2Cnull%2C%22x%22%5D%7D"]
