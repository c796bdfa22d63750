"""`strangler explain`: what becomes of one request, and why, as the gateway itself decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from strangler.routing.split import bucket_of
from tests.cli.conftest import REFERENCE, Said, Strangler
from tests.e2e.certificates import Authority
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer

Write = Callable[[str], Path]

PRODUCT = "/api/catalog/products/1"


def reasons(said: Said) -> dict[str, str]:
    """Why the other routes were not chosen, by their names."""
    return {other["route"]: other["reason"] for other in said.json["others"]}


# The reference system


def test_a_callers_side_is_explained_by_the_bucket(strangler_process: Strangler) -> None:
    said = strangler_process("explain", "config/gateway.yaml", "GET", PRODUCT, "--claim", "sub=user-18")
    assert said.code == 0
    assert said.err == ""
    lines = [line.strip() for line in said.out.splitlines()]
    assert lines[0] == f"GET {PRODUCT}"
    route = "route      catalog/products  (/api/catalog/** · GET, HEAD)  at config/gateway.yaml:"
    assert any(line.startswith(route) and line.removeprefix(route).endswith(":9") for line in lines)
    assert "caller     user-18" in lines
    assert "migration  catalog, stage canary at 10 %" in lines
    assert "side       extracted: bucket 310 by claim:sub is below 1000 of 10000" in lines
    assert "upstream   catalog  (http://127.0.0.1:8202)" in lines
    assert "X-Auth-Subject: user-18" in lines
    assert "Via: 1.1 strangler" in lines
    assert "X-Request-Id: (a new one)" in lines
    assert "others     users/me: path does not match /api/users/me" in lines
    assert "orders: path does not match /api/orders/**" in lines


def test_a_caller_on_the_other_side(strangler: Strangler) -> None:
    said = strangler("explain", REFERENCE, "GET", PRODUCT, "--claim", "sub=user-2")
    assert f"legacy: bucket {bucket_of('catalog', 'user-2')} by claim:sub is not below 1000 of 10000" in said.out
    assert "monolith  (http://127.0.0.1:8100)" in said.out


def test_json_holds_the_same(strangler: Strangler) -> None:
    said = strangler("explain", REFERENCE, "GET", PRODUCT, "--claim", "sub=user-18", "--claim", "scope=a b", "--json")
    assert said.code == 0
    found = said.json
    assert found["request"] == f"GET {PRODUCT}"
    assert found["route"] == "catalog/products"
    assert found["source"].startswith(f"{REFERENCE}:")
    assert found["caller"] == "user-18"
    assert found["migration"] == {
        "name": "catalog",
        "stage": "canary",
        "percent": 10.0,
        "reason": "percentage",
        "sticky": "claim:sub",
        "bucket": bucket_of("catalog", "user-18"),
        "threshold": 1000,
    }
    assert (found["side"], found["upstream"]) == ("extracted", "catalog")
    assert found["endpoints"] == ["http://127.0.0.1:8202"]
    assert {"X-Auth-Subject: user-18", "X-Auth-Scopes: a b", f"X-Auth-Issuer: {ISSUER}"} <= set(
        found["request_headers_added"]
    )
    assert found["refused"] is None
    assert reasons(said)["users/one"] == "path does not match /api/users/{id}"


def test_a_caller_without_a_token_is_anonymous_and_gets_a_cookie(strangler: Strangler) -> None:
    said = strangler("explain", REFERENCE, "GET", PRODUCT, "--json")
    assert said.json["caller"] is None
    assert said.json["migration"]["sticky"] == "visitor"
    [cookie] = said.json["response_headers_added"]
    assert cookie.startswith("Set-Cookie: strangler_visitor=")
    assert not any(line.startswith("X-Auth-") for line in said.json["request_headers_added"])


def test_a_visitor_who_has_the_cookie_keeps_its_bucket(strangler: Strangler) -> None:
    visitor = "0" * 32
    said = strangler("explain", REFERENCE, "GET", PRODUCT, "-H", f"Cookie: strangler_visitor={visitor}", "--json")
    assert said.json["migration"]["bucket"] == bucket_of("catalog", visitor)
    assert said.json["response_headers_added"] == []


def test_a_header_picks_a_side_for_who_may(strangler: Strangler) -> None:
    may, may_not = (
        strangler("explain", REFERENCE, "GET", PRODUCT, "-H", "X-Side: extracted", *claims, "--json").json
        for claims in (["--claim", "sub=user-2", "--claim", "scope=migrations"], ["--claim", "sub=user-2"])
    )
    assert may["side"] == "extracted"
    assert may["migration"]["bucket"] is None
    assert may_not["side"] == "legacy"


@pytest.mark.parametrize(
    ("path", "claims", "status", "detail"),
    [
        ("/api/orders", [], 401, "This route requires a bearer token."),
        ("/api/users/7", ["--claim", "sub=user-1"], 403, "The token lacks the scope users:read."),
        ("/api/users/me", ["--claim", "tenant=acme"], 401, "The token has no claim sub."),
    ],
)
def test_a_refusal_exits_with_1(strangler: Strangler, path: str, claims: list[str], status: int, detail: str) -> None:
    said = strangler("explain", REFERENCE, "GET", path, *claims)
    assert said.code == 1
    assert f"refused    {status} {detail}" in said.out
    assert "upstream  " not in said.out
    as_json = strangler("explain", REFERENCE, "GET", path, *claims, "--json")
    assert as_json.code == 1
    assert as_json.json["refused"] == {"status": status, "detail": detail}
    assert as_json.json["upstream"] is None


def test_a_request_without_a_route_goes_to_the_default(strangler: Strangler) -> None:
    said = strangler("explain", REFERENCE, "GET", "/cart/")
    assert said.code == 0
    assert "no route matches: the default upstream serves it" in said.out
    assert strangler("explain", REFERENCE, "GET", "/cart/", "--json").json["route"] == "default"


# Why the others were not chosen

CONDITIONS = """\
version: 1
upstreams: {shop: {endpoints: ["http://127.0.0.1:1"]}}
routes:
  - {name: general, match: {path: "/a/**"}, upstream: shop}
  - {name: exact, match: {path: "/a/b"}, upstream: shop}
  - {name: writing, match: {path: "/a/b", methods: [PUT, POST], headers: {X-Kind: z}}, upstream: shop}
  - {name: hosted, match: {host: api.example, path: "/a/b"}, upstream: shop}
  - {name: below, match: {host: "*.api.example", path: "/a/b"}, upstream: shop}
  - {name: marked, match: {path: "/a/b", headers: {X-Kind: new}}, upstream: shop}
  - {name: present, match: {path: "/a/*", headers: {X-Any: }}, upstream: shop}
  - {name: paged, match: {path: "/a/b", query: {page: "2"}}, upstream: shop}
  - {name: elsewhere, match: {path: "/b"}, upstream: shop}
"""


def test_each_other_route_has_its_reason(strangler: Strangler, write: Write) -> None:
    said = strangler("explain", write(CONDITIONS), "GET", "/a/b?page=1", "-H", "Host: shop.example", "--json")
    assert said.json["route"] == "exact"
    assert reasons(said) == {
        "general": "also matches, but exact is more specific",
        "writing": "method GET is not among POST, PUT",
        "hosted": "host shop.example is not api.example",
        "below": "host shop.example is not a subdomain of api.example",
        "marked": "header x-kind=new is missing",
        "present": "header x-any is missing",
        "paged": "query page=2 is missing",
        "elsewhere": "path does not match /b",
    }


def test_without_a_default_the_request_is_refused_with_404(strangler: Strangler, write: Write) -> None:
    said = strangler("explain", write(CONDITIONS), "GET", "/nowhere", "--json")
    assert said.code == 1
    assert said.json["refused"]["status"] == 404


def test_many_other_routes_are_cut_short_but_not_in_json(strangler: Strangler, write: Write) -> None:
    text = CONDITIONS + "".join(f"  - {{name: n{n}, match: {{path: /n{n}}}, upstream: shop}}\n" for n in range(20))
    assert "and 16 more (--json shows all)" in strangler("explain", write(text), "GET", "/a/b").out
    assert len(strangler("explain", write(text), "GET", "/a/b", "--json").json["others"]) == 28


# What is no request


@pytest.mark.parametrize(
    ("arguments", "said_of"),
    [
        (["GET", "relative"], "must start with '/'"),
        (["GET", "/with space"], "percent-encoded"),
        (["GET", "/\N{SNOWMAN}"], "percent-encoded"),
        (["GET", "/a#b"], "fragment"),
        (["GET", "/a\x07"], "percent-encoded"),
        (["get", "/"], "did you mean 'GET'?"),
        (["G T", "/"], "expected a method such as GET"),
        (["GET", "/", "-H", "no colon"], "is not 'NAME: VALUE'"),
        (["GET", "/", "-H", ": value"], "is not 'NAME: VALUE'"),
        (["GET", "/", "-H", "\N{SNOWMAN}: x"], "is not a valid header name"),
        (["GET", "/", "-H", "Two Words: x"], "is not a valid header name"),
        (["GET", "/", "-H", "X: a\rb"], "holds a value that the gateway would refuse"),
        (["GET", "/", "-H", "Host: a@b"], "holds a value that the gateway would refuse"),
        (["GET", "/", "-H", "Authorization: Bearer x"], "--claim"),
        (["GET", "/", "--claim", "sub"], "is not NAME=VALUE"),
        (["GET", "/", "--claim", "roles=["], "the value is not JSON"),
        (["GET", "/", "--address", "nonsense"], "'nonsense' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_an_impossible_request_is_wrong_usage(strangler: Strangler, arguments: list[str], said_of: str) -> None:
    said = strangler("explain", REFERENCE, *arguments)
    assert said.code == 2
    assert said.out == ""
    assert said_of in said.err


def test_an_invalid_configuration_is_reported_as_by_validate(strangler: Strangler, write: Write) -> None:
    file = write("version: 1\nupstream: {}\n")
    said = strangler("explain", file, "GET", "/")
    assert said.code == 1
    assert said.err == strangler("validate", file).err


# Explained and done


@pytest.mark.parametrize(
    ("trusted", "header"), [(False, "X-Forwarded-For"), (True, "X-Forwarded-For"), (False, "Forwarded")]
)
def test_the_gateway_does_what_explain_shows(strangler: Strangler, tmp_path: Path, trusted: bool, header: str) -> None:
    issuer = Issuer()
    issuer.write_key_set(tmp_path)
    token = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks": "jwks.json"}
    with RecordingUpstream("legacy") as legacy, RecordingUpstream("extracted") as extracted:
        config: dict[str, Any] = {
            "auth": {"providers": {"shop": token}},
            "upstreams": {"legacy": {"endpoints": [legacy.url]}, "extracted": {"endpoints": [extracted.url]}},
            "default": "legacy",
            "trusted_proxies": ["127.0.0.0/8"] if trusted else [],
            "trusted_header": header,
            "migrations": {
                "catalog": {
                    "from": "legacy",
                    "to": "extracted",
                    "stage": "canary",
                    "canary": {"percent": 50, "sticky": ["claim:sub"]},
                    "auth": {"provider": "shop"},
                    "routes": [{"name": "products", "match": {"path": "/catalog/**"}}],
                }
            },
        }
        with GatewayProcess(tmp_path, config) as gateway:
            assert yaml.safe_load(gateway.path.read_text())["version"] == 1
            sides = set()
            for number in range(12):
                subject, path = f"user-{number}", f"/catalog/{number}"
                said = strangler(
                    "explain", gateway.path, "GET", path, "--claim", f"sub={subject}", "--claim", "scope=a b",
                    "-H", "Host: shop.example", "-H", "X-Other: kept", "--json",
                )  # fmt: skip
                explained = said.json
                sides.add(explained["side"])
                assert ask(gateway.port, path, issuer.bearer(subject, scope="a b"), "X-Other: kept").status == 200
                received = (legacy if explained["side"] == "legacy" else extracted).last(path)
                sent = {(b"Host", b"shop.example"), (b"X-Other", b"kept")}
                added = [
                    tuple(part.strip() for part in line.encode().split(b":", 1))
                    for line in explained["request_headers_added"]
                ]
                new = {name for name, value in added if value == b"(a new one)"}
                assert {(n, b"(a new one)" if n in new else v) for n, v in received.fields} == {*added, *sent}
                assert explained["request_headers_removed"] == ["Authorization"]
            assert sides == {"legacy", "extracted"}


def test_a_client_certificate_is_given_by_its_names(strangler: Strangler, write: Write, tmp_path: Path) -> None:
    Authority().write(tmp_path, "shop", "shop.example")
    config = {
        "version": 1,
        "tls": {"certificate": "shop.crt", "key": "shop.key", "client_ca": "ca.crt"},
        "upstreams": {"shop": {"endpoints": ["https://127.0.0.1:1"]}},
        "routes": [
            {
                "name": "devices",
                "match": {"path": "/devices"},
                "upstream": "shop",
                "auth": {"certificate": {"uri": ["spiffe://shop/7", "spiffe://shop/8"]}},
            }
        ],
    }
    file = write(yaml.safe_dump(config))
    told = ["--certificate", "subject=CN=device-7", "--certificate", "uri=spiffe://shop/7"]
    said = strangler("explain", file, "GET", "/devices", *told)
    assert said.code == 0, said.err
    assert "X-Forwarded-Proto: https" in said.out
    assert "X-Client-Certificate-Subject: CN=device-7" in said.out
    said = strangler("explain", file, "GET", "/devices")
    assert said.code == 1
    assert "403 This route requires a client certificate." in said.out
    assert strangler("explain", file, "GET", "/devices", "--certificate", "issuer=x").code == 2


# What is changed on the way

CHANGING = """\
version: 1
upstreams:
  legacy: {endpoints: "http://127.0.0.1:1", host: endpoint}
trusted_proxies: [127.0.0.1]
routes:
  - name: shop
    match: {path: "/shop/**"}
    upstream: legacy
    rewrite: {strip_prefix: /shop, add_prefix: /v2}
    headers: {request: {set: {X-Channel: web}, remove: X-Debug}, response: {add: {X-Frame-Options: DENY}}}
    cors: {origins: https://app.example}
tests:
  - request: OPTIONS /shop/cart
    headers: {Origin: https://app.example, Access-Control-Request-Method: PUT}
    expect: {route: shop, status: 204}
  - request: GET /shop/../x
    expect: {status: 400}
"""


def test_changes_on_the_way_are_explained(strangler: Strangler, write: Write) -> None:
    file = write(CHANGING)
    origin = "Origin: https://app.example"
    forwarded = "X-Forwarded-For: 6.6.6.6, 203.0.113.9"
    said = strangler("explain", file, "GET", "/shop/cart?a=b", "-H", origin, "-H", forwarded, "--json")
    assert said.code == 0
    assert said.json["sent"] == "/v2/cart?a=b"
    added = said.json["request_headers_added"]
    assert {"X-Channel: web", "X-Forwarded-Prefix: /shop", "X-Forwarded-For: 203.0.113.9, 127.0.0.1"} <= set(added)
    assert said.json["request_headers_removed"] == ["x-channel", "x-debug"]
    answer = said.json["response_headers_added"]
    assert answer == ["X-Frame-Options: DENY", "Access-Control-Allow-Origin: https://app.example", "Vary: Origin"]


def test_a_preflight_is_explained_and_can_be_expected(strangler: Strangler, write: Write) -> None:
    file = write(CHANGING)
    asked = ("-H", "Origin: https://app.example", "-H", "Access-Control-Request-Method: PUT")
    said = strangler("explain", file, "OPTIONS", "/shop/cart", *asked)
    assert said.code == 0
    assert "responds   204 to a preflight, by the route's 'cors'" in said.out
    assert strangler("test", file).out == "2 passed, 0 failed\n"


# Beside where it goes

BOUNDED = """
version: 1
upstreams:
  old: {endpoints: "http://127.0.0.1:1"}
  new: {endpoints: ["http://127.0.0.1:2", "http://127.0.0.1:4"], timeouts: {response: 5s, total: 20s}}
  box: {endpoints: "http://127.0.0.1:3"}
default: old
limits: {body_bytes: 1MiB}
migrations:
  carts:
    from: old
    to: new
    stage: STAGE
    fallback: {methods: [GET, POST]}
    shadow: {percent: 50, methods: [GET, POST], sandbox: box}
    routes:
      - match: {path: "/cart/**"}
        rate_limits: [{requests: 5, per: 1m, key: ["claim:sub", ip]}]
        retries: {attempts: 2, statuses: 503}
        hedging: {after: 150ms}
        limits: {body_bytes: 2KiB}
        fallback: {static: {body: "[]"}}
"""


def bounded(strangler: Strangler, write: Write, stage: str, method: str) -> tuple[dict[str, Any], list[str]]:
    """The policies of a request in JSON, and the lines about it."""
    file = write(BOUNDED.replace("STAGE", stage))
    lines = [" ".join(line.split()) for line in strangler("explain", file, method, "/cart/1").out.splitlines()]
    found: dict[str, Any] = strangler("explain", file, method, "/cart/1", "--json").json["policies"]
    return found, lines


def test_limits_and_deadlines_are_explained(strangler: Strangler, write: Write) -> None:
    found, lines = bounded(strangler, write, "extracted", "GET")
    assert found["rate_limits"] == [{"requests": 5, "per": 60.0, "burst": 5, "key": ["claim:sub", "ip"]}]
    assert found["body_bytes"] == 2048
    assert (found["timeouts"]["response"], found["timeouts"]["total"]) == (5.0, 20.0)
    assert "body 2KiB at most" in lines
    assert "hedging after 0.15 s, at another endpoint" in lines
    assert found["hedging"] == {"after": 0.15}
    assert "rate limit 5 in 60 s, 5 at once by claim:sub, ip" in lines
    assert "timeouts connect 2 s, response 5 s, idle 60 s, tunnel 3600 s, total 20 s" in lines


def test_fallbacks_are_explained(strangler: Strangler, write: Write) -> None:
    found, lines = bounded(strangler, write, "extracted", "GET")
    assert found["retries"] == {
        "attempts": 2,
        "sent": True,
        "timeouts": False,
        "statuses": [503],
        "other_endpoints": True,
        "same_endpoint": False,
    }
    assert [(other["answers"], other["sent"]) for other in found["fallback"]] == [("old", True), ("static", True)]
    assert "retries 2, at another endpoint, also after 503; without a connection each other endpoint once" in lines
    assert "fallback old, also after 502, 503, 504" in lines


def test_requests_that_may_have_had_an_effect_are_not_retried(strangler: Strangler, write: Write) -> None:
    found, lines = bounded(strangler, write, "extracted", "POST")
    assert (found["retries"]["attempts"], found["retries"]["sent"], found["retries"]["statuses"]) == (0, False, [])
    assert found["fallback"] == [{"answers": "old", "sent": False, "statuses": []}]
    assert "retries without a connection each other endpoint once" in lines
    assert "fallback old, only while nothing was sent" in lines
    assert bounded(strangler, write, "extracted", "PUT")[0]["fallback"] == []
    found, _ = bounded(strangler, write, "retired", "GET")
    assert [other["answers"] for other in found["fallback"]] == ["static"]


@pytest.mark.parametrize(
    ("endpoints", "retries", "method", "said"),
    [
        ("one", "{}", "GET", None),
        ("one", "{attempts: 0, same_endpoint: true}", "GET", None),
        ("one", "{same_endpoint: true, timeouts: true}", "GET", "1, at the same endpoint, also after timeouts"),
        ("one", "{same_endpoint: true}", "POST", "1, at the same endpoint, only while nothing was sent"),
        ("two", "{attempts: 0}", "GET", "without a connection each other endpoint once"),
        (
            "two",
            "{same_endpoint: true}",
            "GET",
            "1, at another or the same endpoint; without a connection each other endpoint once",
        ),
        (
            "two",
            "{methods: [POST], statuses: [503], timeouts: true}",
            "POST",
            "1, at another endpoint, only while nothing was sent, also after 503; "
            "without a connection each other endpoint once",
        ),
        ("named", "{}", "GET", "1, at another endpoint; without a connection each other endpoint once"),
    ],
)
def test_a_retry_that_cannot_happen_is_not_explained(
    strangler: Strangler, write: Write, endpoints: str, retries: str, method: str, said: str | None
) -> None:
    file = write(f"""\
version: 1
upstreams:
  one: {{endpoints: "http://127.0.0.1:1"}}
  two: {{endpoints: ["http://127.0.0.1:1", "http://127.0.0.1:2"]}}
  named: {{endpoints: "http://shop.example", resolve: {{}}}}
routes:
  - {{name: shop, match: {{path: "/**"}}, upstream: {endpoints}, retries: {retries}, hedging: {{after: 1s}}}}
""")
    lines = [" ".join(line.split()) for line in strangler("explain", file, method, "/").out.splitlines()]
    assert [line for line in lines if line.startswith("retries")] == ([] if said is None else [f"retries {said}"])
    hedged = "hedging after 1 s, at another endpoint" in lines
    assert hedged is (method == "GET" and endpoints != "one")


@pytest.mark.parametrize(
    ("stage", "method", "copied_to"),
    [
        ("shadow", "GET", "new"),
        ("shadow", "POST", "box"),
        ("shadow", "PUT", None),
        ("legacy", "GET", None),
        ("extracted", "GET", None),
    ],
)
def test_where_a_copy_goes_is_explained(
    strangler: Strangler, write: Write, stage: str, method: str, copied_to: str | None
) -> None:
    found, lines = bounded(strangler, write, stage, method)
    assert found["shadow"] == (None if copied_to is None else {"copied_to": copied_to, "percent": 50.0, "by": "caller"})
    assert (f"shadow copied to {copied_to}, 50 % by caller" in lines) is (copied_to is not None)
