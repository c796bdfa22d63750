"""Descriptions and recordings as they are found in the field (docs/troubleshooting.md, "Seen in the field")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strangler.replay.har.hosts import parse_origin
from strangler.replay.har.reading import read_har
from strangler.replay.openapi.requests import read_openapi
from strangler.replay.recorded import RecordedRequests, RecordingError
from strangler.replay.url_list import read_url_list

# OpenAPI


def described(paths: Any, version: str = "3.1.0", **more: Any) -> RecordedRequests:
    document = {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}
    return read_openapi(json.dumps(document).encode(), "shop.json")


def in_yaml(text: str, version: str = "3.1.0") -> RecordedRequests:
    return read_openapi(f"openapi: {version}\ninfo: {{title: Shop, version: '1'}}\n{text}".encode(), "shop.yaml")


def targets(recording: RecordedRequests) -> list[str]:
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


def test_unknown_yaml_tags_are_ignored() -> None:
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


# HTTP Archives


def entry(url: str = "https://shop.example/a", method: str = "GET", **more: Any) -> dict[str, Any]:
    place = {name: more.pop(name) for name in ("pageref", "response", "_resourceType") if name in more}
    headers = [{"name": name, "value": value} for name, value in more.pop("headers", ())]
    return {"request": {"method": method, "url": url, "headers": headers, **more}, "response": {}, **place}


def archive(*entries: Any, pages: Any = None, origins: tuple[str, ...] = ()) -> RecordedRequests:
    log = {"version": "1.2", "entries": list(entries), **({} if pages is None else {"pages": pages})}
    return read_har(json.dumps({"log": log}).encode(), "shop.har", origins)


HTML = {"status": 200, "content": {"mimeType": "text/html; charset=utf-8"}}


def test_lone_surrogates_cost_the_entry_that_would_send_them_alone() -> None:
    recording = archive(
        entry("https://shop.example/fine", _comment="\ud83d"),
        entry("https://shop.example/\ud83d"),
        entry(headers=[("X-Name", "\udc00")]),
        entry(method="POST", postData={"mimeType": "text/plain", "text": "half \ud83d"}),
        entry("\ud800:x"),
    )
    assert targets(recording) == ["/fine"]
    assert recording.skipped == {"can't be read": 2, "body not recorded": 1, "scheme \\ud800": 1}
    assert len(recording.unreadable) == 2
    "".join([*recording.unreadable, *recording.skipped]).encode("utf-8")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_archives_in_other_encodings_are_read(encoding: str) -> None:
    text = json.dumps({"log": {"entries": [entry("https://shop.example/\u00fc")]}}, ensure_ascii=False)
    assert targets(read_har(text.encode(encoding), "shop.har")) == ["/%C3%BC"]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        5,
        {},
        {"request": None},
        {"request": {"method": "GET"}},
        entry("http://["),
        entry("https:///x"),
        entry(method="G T"),
        entry(headers=[("a b", "c")]),
        entry(headers=[("a", "c\r\nd: e")]),
        entry(headers=[("a", {"b": 1})]),
        entry(method="POST", postData={"text": "!", "encoding": "base64"}),
        entry(method="POST", postData={"params": [{}], "mimeType": "application/x-www-form-urlencoded"}),
        entry(method="POST", postData="text"),
    ],
)
def test_one_odd_entry_is_counted_named_and_left_out(odd: Any) -> None:
    recording = archive(entry("https://shop.example/1"), odd, entry("https://shop.example/2"))
    assert targets(recording) == ["/1", "/2"]
    assert recording.skipped == {"can't be read": 1}
    assert recording.unreadable[0].startswith("shop.har, entry 2: ")


def test_an_archive_without_readable_entries_is_refused_with_a_reason() -> None:
    with pytest.raises(RecordingError, match=r"^shop.har, entry 1: 'request' is missing$"):
        archive({}, 5)
    assert archive().requests == []


@pytest.mark.parametrize(
    "pages",
    [
        [{"id": "p", "title": "https://shop.example/start"}],
        [{"id": "p", "title": "My shop"}],
        [{"id": "other", "title": "https://nobody.example/"}, {"id": "p", "title": ""}],
    ],
)
def test_the_pages_host_is_asked_although_most_requests_went_to_another(pages: Any) -> None:
    recording = archive(
        entry("http://shop.example/", pageref="p", response={"status": 301, "content": {"mimeType": "text/html"}}),
        entry("https://shop.example:443/start", pageref="p", response=HTML),
        *(entry(f"https://cdn.example/{number}.js", pageref="p") for number in range(5)),
        pages=pages,
    )
    assert targets(recording) == ["/", "/start"]
    assert {request.host for request in recording.requests} == {"shop.example"}
    assert recording.skipped == {"host cdn.example": 5}
    assert "requests to other hosts than shop.example: name those to ask by --origin URL" in recording.left_out[0]


def test_a_redirect_to_the_page_does_not_make_another_host_the_pages() -> None:
    recording = archive(
        entry("https://sign-in.example/", pageref="p", response={"status": 302, "content": {"mimeType": "text/html"}}),
        entry("https://shop.example/", pageref="p", response=HTML),
        pages=[{"id": "p", "title": "Shop"}],
    )
    assert targets(recording) == ["/"]
    assert recording.requests[0].host == "shop.example"


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        (("https://api.shop.example",), ["/1", "/2"]),
        (("api.shop.example",), ["/1", "/2"]),
        (("https://api.shop.example:443/",), ["/1", "/2"]),
        (("API.Shop.Example", "cdn.example:8443"), ["/1", "/2", "/3"]),
        (("https://cdn.example:8443",), ["/3"]),
    ],
)
def test_origins_that_are_named_are_asked(named: tuple[str, ...], asked: list[str]) -> None:
    recording = archive(
        entry("https://shop.example/", pageref="p"),
        entry("https://api.shop.example/1"),
        entry("https://api.shop.example:443/2"),
        entry("https://cdn.example:8443/3"),
        pages=[{"id": "p", "title": "https://shop.example/"}],
        origins=tuple(map(parse_origin, named)),
    )
    assert targets(recording) == asked


def test_an_origin_without_requests_is_refused_with_the_known_origins() -> None:
    with pytest.raises(RecordingError, match=r"no request went to x.example; most went to https://shop.example \(1\)"):
        archive(entry(), origins=("x.example",))


@pytest.mark.parametrize("text", ["", "/", "https://", "ftp://x", "https://x/a", "https://x?a", "x:port", "a b/c"])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an origin"):
        parse_origin(text)


def body(
    media: str, text: str | None, *, length: int | None = None, size: int | None = None, **more: Any
) -> bytes | None:
    """The body that is sent of a POST; None where it counts as not recorded."""
    posted = {"mimeType": media, **({} if text is None else {"text": text}), **more.pop("posted", {})}
    headers = [*more.pop("headers", ()), *([] if length is None else [("Content-Length", str(length))])]
    noted = {} if size is None else {"bodySize": size}
    recording = archive(entry(method="POST", headers=headers, postData=posted, **noted, **more))
    assert not recording.unreadable
    if not recording.requests:
        assert recording.skipped == {"body not recorded": 1}
        return None
    return recording.requests[0].body


PNG = "\ufffdPNG\r\n"


def test_a_body_is_sent_only_where_it_is_as_long_as_what_was_sent() -> None:
    assert body("application/json", '{"a":1}', length=7) == b'{"a":1}'
    assert body("application/json", '{"a":1}', length=9) is None
    assert body("application/json", '{"a":1', size=7) is None
    assert body("application/json", '{"\u00e9":1}', size=7) == '{"\u00e9":1}'.encode()  # counted in characters
    assert body("application/json", '{"\u00e9":1}', length=8, size=7) == '{"\u00e9":1}'.encode()
    assert (
        body("application/x-www-form-urlencoded", None, posted={"params": [{"name": "a", "value": "b c"}]}, length=9)
        is None
    )


def test_a_body_whose_text_is_missing_is_not_sent_as_an_empty_one() -> None:
    assert body("application/json", None) is None
    assert body("application/json", None, length=12) is None
    assert body("application/json", "", size=12) is None
    assert body("application/json", "", length=0) == b""
    assert body("application/json", None, size=0) == b""
    for noted in ({"bodySize": 12}, {"bodySize": -1}, {"headers": [("Transfer-Encoding", "chunked")]}):
        assert archive(entry(method="POST", **noted)).skipped == {"body not recorded": 1}
    assert len(archive(entry(bodySize=-1), entry(method="POST", bodySize=0)).requests) == 2


def test_bytes_that_became_replacement_characters_are_not_sent() -> None:
    assert body("image/png", PNG) is None
    assert body("application/octet-stream", PNG, length=len(PNG.encode())) is None
    assert body("multipart/form-data; boundary=x", f"--x\r\n\r\n{PNG}\r\n--x--") is None
    assert body("multipart/form-data; boundary=x", "--x\r\n\r\na\r\n--x--") == b"--x\r\n\r\na\r\n--x--"
    assert body("application/octet-stream", "\u00ff\u00fe") is None
    assert body("text/plain", "really \ufffd") == "really \ufffd".encode()
    assert body("application/octet-stream", "iVBORw0=", posted={"encoding": "base64"}) == b"\x89PNG\r"
    assert body("application/octet-stream", "iVBORw0=", posted={"encoding": "base64"}, length=99) is None


def test_a_body_in_another_charset_is_sent_in_the_one_that_has_its_length() -> None:
    latin = "text/plain; charset=iso-8859-1"
    assert body(latin, "\u00e9", length=1) == b"\xe9"
    assert body(latin, "\u00e9", length=2) == b"\xc3\xa9"
    assert body(latin, "\u00e9") is None
    assert body(latin, "e") == b"e"
    assert body("text/plain; charset=nonsense", "\u00e9", length=1) is None


def test_a_body_that_was_sent_compressed_is_not_sent_as_its_text() -> None:
    assert body("application/json", "{}", headers=[("Content-Encoding", "gzip")]) is None
    assert body("application/json", "{}", headers=[("Content-Encoding", "identity")]) == b"{}"


# Lists of URLs


def test_log_lines_that_are_no_requests_are_reported_and_the_others_sent() -> None:
    recording = read_url_list(b"/1\n\xff\xfe\n*\n-\nGET /2 HTTP/1.1\n/3\n", "urls.txt")
    assert targets(recording) == ["/1", "/2", "/3"]
    assert recording.skipped == {"can't be read": 3}
    "".join(recording.unreadable).encode("utf-8")
    assert targets(read_url_list("/\u00fc\n".encode("utf-16"), "urls.txt")) == ["/%C3%BC"]
