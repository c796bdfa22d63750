"""What a route changes on the way: header fields, paths and back, Host, and answers for pages of other origins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import provider
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Response, ask
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.tokens import Issuer

APP = "https://app.example"
COMMON = {"upstream": "legacy"}


@dataclass(frozen=True)
class Changing:
    """A gateway whose routes change things, and the two upstreams behind it."""

    gateway: GatewayProcess
    legacy: RecordingUpstream
    extracted: RecordingUpstream

    def ask(self, target: str, *fields: str, method: str = "GET") -> Response:
        return ask(self.gateway.port, target, *fields, method=method)


def configuration(legacy: RecordingUpstream, extracted: RecordingUpstream, nobody: str) -> dict[str, Any]:
    own = {"origins": APP, "credentials": True, "headers": ["X-Token"], "expose": ["X-Total"], "max_age": "5m"}
    return {
        "auth": {"providers": {"shop": provider("jwks.json")}},
        "upstreams": {
            "legacy": {"endpoints": [legacy.url]},
            "extracted": {"endpoints": [extracted.url]},
            "elsewhere": {"endpoints": [extracted.url.replace("127.0.0.1", "localhost")], "host": "endpoint"},
            "dead": {"endpoints": [nobody], "timeouts": {"connect": "300ms"}},
        },
        "default": "legacy",
        "routes": [
            {
                "name": "fields",
                "match": {"path": "/fields/**"},
                "headers": {
                    "request": {"set": {"X-Set": "new"}, "add": {"X-Add": "more"}, "remove": ["X-Remove", "Cookie"]},
                    "response": {
                        "set": {"Server": "shop"},
                        "add": {"X-Frame-Options": "DENY"},
                        "remove": "X-Powered-By",
                    },
                },
                **COMMON,
            },
            {
                "name": "shop",
                "match": {"path": "/shop/**"},
                "rewrite": {
                    "strip_prefix": "/shop",
                    "add_prefix": "/v2",
                    "cookie_domains": {"in.example": "out.example"},
                },
                **COMMON,
            },
            {
                "name": "captures",
                "match": {"path": "/users/{id}/orders/**"},
                "rewrite": {"path": "/o/{id}/**"},
                **COMMON,
            },
            {"name": "elsewhere", "match": {"path": "/elsewhere/**"}, "upstream": "elsewhere"},
            {"name": "dead", "match": {"path": "/dead/**"}, "upstream": "dead", "cors": own},
            {
                "name": "cors",
                "match": {"path": "/cors/**", "methods": ["GET", "PUT"]},
                "auth": {"provider": "shop", "required": False},
                "cors": own,
                **COMMON,
            },
            {
                "name": "public",
                "match": {"path": "/public/**"},
                "cors": {"origins": "*", "headers": "*"},
                **COMMON,
            },
            {
                "name": "below",
                "match": {"path": "/below/**"},
                "cors": {
                    "origins": [
                        "https://*.shop.example",
                        "capacitor://localhost",
                        "moz-extension://6a1f4b0e-0f0c-4c5e-9a51-3a2c6e0b2c11",
                        "file://",
                        "null",
                    ]
                },
                **COMMON,
            },
            {
                "name": "private",
                "match": {"path": "/cors/private/**"},
                "auth": {"provider": "shop"},
                "cors": own,
                **COMMON,
            },
        ],
        "migrations": {
            "catalog": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": 0},
                "always": ["header:X-New=yes"],
                "headers": {"response": {"add": {"X-Migration": "catalog"}}},
                "routes": [
                    {"match": {"path": "/catalog/**"}, "rewrite": {"strip_prefix": "/catalog", "add_prefix": "/items"}}
                ],
            },
        },
    }


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer, nobody: str) -> Iterator[Changing]:
    folder: Path = tmp_path_factory.mktemp("changing")
    issuer.write_key_set(folder)
    with RecordingUpstream("legacy") as legacy, RecordingUpstream("extracted") as extracted:
        with GatewayProcess(folder, configuration(legacy, extracted, nobody)) as gateway:
            yield Changing(gateway, legacy, extracted)
        assert not legacy.failed + extracted.failed


def plain(body: bytes, *fields: bytes) -> Any:
    """A script that gives one whole response."""
    return lambda call: call.answer(body, *fields)


def chunked(body: bytes, *fields: bytes) -> Any:
    """A script whose response goes through the parser."""

    def answer(call: Call) -> None:
        head = b"\r\n".join((b"HTTP/1.1 200 OK", *fields, b"Transfer-Encoding: chunked", b"", b""))
        call.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    return answer


# Header fields


@pytest.mark.parametrize("script", [plain, chunked])
def test_header_fields_are_removed_and_set_in_both_directions(changing: Changing, script: Any) -> None:
    path = f"/fields/{script.__name__}"
    changing.legacy.on(path)(script(b"ok", b"Server: gunicorn", b"X-Powered-By: x", b"x-frame-options: SAMEORIGIN"))
    with changing.gateway.client() as client:
        for _ in range(3):
            answer = client.request(path, "X-Set: old", "x_set: old", "X-Add: one", "X_Remove: 1", "Cookie: a=b")
            assert answer.body == b"ok"
            assert answer.values(b"Server") == [b"shop"]
            assert answer.values(b"X-Frame-Options") == [b"SAMEORIGIN", b"DENY"]
            assert answer.value(b"X-Powered-By") is None
    for seen in changing.legacy.requests(path):
        assert seen.values(b"X-Set") == [b"new"]
        assert seen.values(b"X-Add") == [b"one", b"more"]
        for name in (b"X_Set", b"X_Remove", b"X-Remove", b"Cookie"):
            assert seen.value(name) is None
        assert seen.value(b"X-Forwarded-For") == b"127.0.0.1"


def test_changes_of_one_route_do_not_reach_another_on_a_connection(changing: Changing) -> None:
    with changing.gateway.client() as client:
        for number in range(6):
            path = f"/fields/turn/{number}" if number % 2 else f"/unchanged/turn/{number}"
            client.request(path, "X-Remove: 1")
            [seen] = changing.legacy.requests(path)
            assert seen.value(b"X-Set") == (b"new" if number % 2 else None)
            assert seen.value(b"X-Remove") == (None if number % 2 else b"1")


# Paths


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/shop/cart?a=/shop/&b=%2F", "/v2/cart?a=/shop/&b=%2F"),
        ("/shop/a%20b/?", "/v2/a%20b/?"),
        ("/shop", "/v2"),
        ("/users/7/orders/8?x", "/o/7/8?x"),
    ],
)
def test_the_upstream_gets_the_rewritten_path_and_the_original_query(
    changing: Changing, target: str, sent: str
) -> None:
    with changing.gateway.client() as client:
        for _ in range(3):
            assert client.request(target).status == 200
    seen = [one for one in changing.legacy.received if one.target == sent.encode()]
    assert len(seen) == 3
    assert {one.value(b"X-Forwarded-Prefix") for one in seen} == {b"/shop" if target.startswith("/shop") else None}


@pytest.mark.parametrize("path", ["/shop/../admin", "/shop/%2e%2e/shop/x", "/shop/a%2f..", "/shop//x"])
def test_a_path_that_could_leave_its_prefix_is_refused(changing: Changing, path: str) -> None:
    with changing.gateway.client() as client:
        assert client.request("/shop/before").status == 200
        assert client.request("/shop/before").status == 200
        assert client.request(path).status == 400
        assert client.request("/shop/after").status == 200
    assert not [seen for seen in changing.legacy.received if b".." in seen.target or b"%2e" in seen.target.lower()]


@pytest.mark.parametrize("script", [plain, chunked])
@pytest.mark.parametrize(
    ("field", "seen"),
    [
        (b"Location: /v2/login?next=/v2/x#top", b"/shop/login?next=/v2/x#top"),
        (b"Location: http://shop.example/v2/login", b"http://shop.example/shop/login"),
        (b"Location: https://SHOP.example/v2", b"https://SHOP.example/shop"),
        (b"Location: http://%(authority)s/v2/login", b"/shop/login"),
        (b"Location: //%(authority)s/v2/login", b"/shop/login"),
        (b"Location: https://id.example/v2/login", b"https://id.example/v2/login"),
        (b"Location: /other", b"/other"),
        (b"Location: next?page=2", b"next?page=2"),
        (b"Content-Location: /v2/items/7", b"/shop/items/7"),
        (b"Refresh: 5; url=/v2/done", b"5; url=/shop/done"),
        (b'Refresh: 0;URL="http://shop.example/v2/done"', b'0;URL="http://shop.example/shop/done"'),
        (b"Refresh: 5", b"5"),
        (b"Set-Cookie: a=/v2/; Path=/v2/cart; HttpOnly", b"a=/v2/; Path=/shop/cart; HttpOnly"),
        (b"Set-Cookie: a=b; path=/v2", b"a=b; path=/shop"),
        (b"Set-Cookie: a=b; Domain=.in.example; Path=/", b"a=b; Domain=out.example; Path=/"),
        (b"Set-Cookie: a=b", b"a=b"),
        # What a name's prefix promises to browsers (RFC 6265bis section 4.1.3) outranks rewriting.
        (b"Set-Cookie: __Host-a=b; Path=/; Secure", b"__Host-a=b; Path=/; Secure"),
        (b"Set-Cookie: __host-a=b; Secure; Path=/v2", b"__host-a=b; Secure; Path=/v2"),
        (b"Set-Cookie: __Host-Http-a=b; Path=/; Secure", b"__Host-Http-a=b; Path=/; Secure"),
        (b"Set-Cookie: __Secure-a=b; Path=/v2; Secure", b"__Secure-a=b; Path=/shop; Secure"),
    ],
)
def test_paths_in_responses_are_those_of_the_client(changing: Changing, script: Any, field: bytes, seen: bytes) -> None:
    field = field.replace(b"%(authority)s", changing.legacy.url.removeprefix("http://").encode())
    changing.legacy.on("/v2/answer")(script(b"ok", field))
    answer = changing.ask("/shop/answer")
    assert answer.value(field.partition(b":")[0]) == seen


def test_a_migration_rewrites_for_the_extracted_side_alone(changing: Changing) -> None:
    changing.extracted.on("/items/redirects")(plain(b"", b"Location: /items/7"))
    changing.legacy.on("/catalog/redirects")(plain(b"", b"Location: /catalog/7"))
    for fields in ([], ["X-New: yes"]):
        answer = changing.ask("/catalog/redirects", *fields)
        assert answer.value(b"Location") == b"/catalog/7"
        assert answer.value(b"X-Migration") == b"catalog"


def test_an_upstream_may_see_its_own_host(changing: Changing) -> None:
    authority = changing.extracted.url.replace("127.0.0.1", "localhost").removeprefix("http://").encode()
    changing.extracted.on("/elsewhere/a")(plain(b"", b"Location: http://%b/elsewhere/b" % authority))
    with changing.gateway.client() as client:
        for _ in range(3):
            assert client.request("/elsewhere/a").value(b"Location") == b"/elsewhere/b"
    for seen in changing.extracted.requests("/elsewhere/a"):
        assert seen.values(b"Host") == [authority]
        assert seen.value(b"X-Forwarded-Host") == b"shop.example"


# Other origins


def preflight(
    changing: Changing, path: str, origin: str = APP, method: str = "PUT", headers: str = "x-token"
) -> Response:
    return changing.ask(
        path,
        f"Origin: {origin}",
        f"Access-Control-Request-Method: {method}",
        f"Access-Control-Request-Headers: {headers}",
        method="OPTIONS",
    )


def cors(answer: Response) -> dict[str, str]:
    """The fields of an answer that are about other origins."""
    return {
        name.decode().lower().removeprefix("access-control-"): value.decode()
        for name, value in answer.fields
        if name.lower().startswith(b"access-control-")
    }


@pytest.mark.parametrize("path", ["/cors/a", "/cors/private/a"])
def test_a_preflight_is_answered_by_the_gateway_without_a_token(changing: Changing, path: str) -> None:
    answer = preflight(changing, path, method="GET")
    assert answer.status == 204
    methods = "GET, PUT" if path == "/cors/a" else "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert cors(answer) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "allow-methods": methods,
        "allow-headers": "X-Token",
        "max-age": "300",
    }
    assert answer.value(b"Vary") == b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert not changing.legacy.requests(path)


def test_preflights_and_requests_take_turns_on_one_connection(changing: Changing) -> None:
    asked = (f"Origin: {APP}", "Access-Control-Request-Method: PUT")
    with changing.gateway.client() as client:
        for _ in range(3):
            assert client.request("/cors/turns", *asked, method="OPTIONS").status == 204
            assert client.request("/cors/turns", *asked).status == 200
    assert len(changing.legacy.requests("/cors/turns")) == 3


@pytest.mark.parametrize(
    ("origin", "method"), [("https://evil.example", "PUT"), ("null", "PUT"), (APP + ".evil.example", "PUT")]
)
def test_a_preflight_of_another_origin_is_refused_without_cors_headers(
    changing: Changing, origin: str, method: str
) -> None:
    answer = preflight(changing, "/cors/a", origin, method)
    assert answer.status == 403
    assert cors(answer) == {}
    assert answer.value(b"Vary") == b"Origin"


def test_a_preflight_for_a_method_without_a_policy_goes_to_the_upstream(changing: Changing) -> None:
    assert preflight(changing, "/cors/a", method="DELETE").status == 200
    assert changing.legacy.last("/cors/a").method == b"OPTIONS"


def test_options_that_are_no_preflight_go_to_the_upstream(changing: Changing) -> None:
    assert changing.ask("/public/options", "Origin: https://a.example", method="OPTIONS").status == 200
    assert changing.legacy.last("/public/options").method == b"OPTIONS"


@pytest.mark.parametrize("script", [plain, chunked])
def test_cors_headers_of_the_upstream_are_replaced_in_responses(changing: Changing, script: Any) -> None:
    path = f"/cors/real/{script.__name__}"
    own = (b"Access-Control-Allow-Origin: *", b"access-control-allow-methods: GET", b"Vary: Cookie")
    changing.legacy.on(path)(script(b"ok", *own))
    with changing.gateway.client() as client:
        for origin, said in ((APP, APP), (APP, APP), ("https://evil.example", None), (APP, APP)):
            answer = client.request(path, f"Origin: {origin}")
            expected = {"allow-origin": said, "allow-credentials": "true", "expose-headers": "X-Total"} if said else {}
            assert cors(answer) == expected
            assert answer.values(b"Vary") == [b"Cookie", b"Origin"]
        assert cors(client.request(path)) == {}


@pytest.mark.parametrize(("path", "status"), [("/cors/private/a", 401), ("/dead/a", 502)])
def test_the_gateways_own_refusals_can_be_read_by_the_page(changing: Changing, path: str, status: int) -> None:
    answer = changing.ask(path, f"Origin: {APP}")
    assert answer.status == status
    assert cors(answer)["allow-origin"] == APP


def test_any_origin_is_answered_with_a_star_and_no_vary(changing: Changing) -> None:
    answer = changing.ask("/public/a", "Origin: https://whoever.example")
    assert cors(answer) == {"allow-origin": "*"}
    assert answer.value(b"Vary") is None
    answer = preflight(changing, "/public/a", "https://whoever.example", headers="x-one, x-two")
    assert cors(answer)["allow-headers"] == "x-one, x-two"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.shop.example", True),
        ("https://a.b.shop.example", True),
        ("https://shop.example", False),
        ("https://evilshop.example", False),
        ("http://a.shop.example", False),
        ("https://a.shop.example:8443", False),
        ("https://evil.example/.shop.example", False),
        ("https://a.shop.example.evil.example", False),
        ("capacitor://localhost", True),
        ("capacitor://localhost.evil.example", False),
        ("ionic://localhost", False),
        ("moz-extension://6a1f4b0e-0f0c-4c5e-9a51-3a2c6e0b2c11", True),
        ("file://", True),
        ("null", True),
    ],
)
def test_an_origin_is_allowed_as_listed_or_below_a_star(changing: Changing, origin: str, allowed: bool) -> None:
    assert cors(changing.ask("/below/a", f"Origin: {origin}")) == ({"allow-origin": origin} if allowed else {})
