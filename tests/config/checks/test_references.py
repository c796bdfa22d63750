"""What must hold across the sections, each with its place and its hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.auth import AuthRequirement
from strangler.model.identity_headers import IDENTITY_HEADERS

Write = Callable[..., Path]
Problems = Callable[..., list[str]]

BASE = """\
version: 1
upstreams:
  old: {endpoints: "http://127.0.0.1:1"}
  new: {endpoints: "http://127.0.0.1:2"}
default: old
"""
PROVIDER = (
    "auth: {providers: {shop: {issuer: https://id.example, audience: a, jwks: dev/jwks.json, algorithms: [RS256]}}}\n"
)


def migration(rest: str, auth: bool = False) -> str:
    return (
        BASE
        + (PROVIDER if auth else "")
        + "migrations:\n  m:\n    routes: [{match: {path: /m}}]\n"
        + ("    auth: {provider: shop}\n" if auth else "")
        + "".join(f"    {line}\n" for line in rest.splitlines())
    )


CANARY = "from: old\nto: new\nstage: canary\ncanary: {percent: 10}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BASE + "extra: 1\n", "6:1: unknown key 'extra'"),
        (BASE + "route: []\n", "6:1: unknown key 'route' (did you mean 'routes'?)"),
        (BASE.replace("version: 1", "version: 2"), "1:10: version: must be at most 1, found 2"),
        (BASE.replace("version: 1\n", ""), "1:1: the key 'version' is missing"),
        (BASE.replace("default: old", "default: odl"), "5:10: there is no upstream 'odl' (did you mean 'old'?)"),
        (BASE + "admin: 127.0.0.1:8080\n", "6:8: the admin address must differ from the address for clients"),
        (BASE + "listen: 127.0.0.1:2\n", "4:20: the endpoint http://127.0.0.1:2 is this gateway itself"),
        (
            BASE.replace('"http://127.0.0.1:2"', '["http://a:2", "http://A:2/"]'),
            "4:35: the endpoint http://a:2 is listed twice",
        ),
        (
            BASE + "routes: [{name: a, match: {}, upstream: old}]\n",
            "6:20: routes[0].match: matches every request: set a p",
        ),
        (
            BASE + "routes:\n  - {name: default, match: {path: /a}, upstream: old}\n",
            "7:12: the name 'default' is reserved",
        ),
        (
            BASE + "routes:\n  - {name: a, match: {path: /a}, upstream: old}\n"
            "  - {name: a, match: {path: /b}, upstream: old}\n",
            "8:12: the route 'a' is defined twice (first at gateway.yaml:7:12)",
        ),
        (
            BASE + "routes:\n  - {name: a, match: {path: '/x/{id}'}, upstream: old}\n"
            "  - {name: b, match: {path: /x/*}, upstream: old}\n",
            "8:5: the route 'b' can match the same request as 'a' at gateway.yaml:7:5, and neither is more specific",
        ),
        (
            BASE + "routes: [{name: a, match: {path: /a, headers: {x_auth.Subject: me}}, upstream: old}]\n",
            "6:48: the header x_auth.Subject is set by the gateway",
        ),
        (
            BASE + PROVIDER + "routes: [{name: a, match: {path: /a}, upstream: old, auth: {provider: shpo}}]\n",
            "7:71: there is no provider 'shpo' (did you mean 'shop'?)",
        ),
        (
            BASE + "routes: [{name: a, match: {path: /a}, upstream: old, auth: }]\n",
            "6:54: routes[0].auth: has no value",
        ),
        (
            BASE + "access_log: {enabled: off}\n",
            "6:23: access_log.enabled: expected true or false, found the text 'off' (write",
        ),
        (migration("from: old\nto: old\nstage: legacy"), "10:9: 'from' and 'to' are the same upstream, 'old'"),
        (migration("from: old\nto: new\nstage: canary"), "11:12: migrations.m: stage canary requires the section"),
        (
            migration("from: old\nto: new\nstage: cannary"),
            "11:12: migrations.m.stage: the text 'cannary' is not one of",
        ),
        (migration(CANARY + "always: claim:a=b"), "13:13: 'claim:a=b' can never hold: no token is verified"),
        (
            migration(CANARY + "override: {header: X-Side, permitted: scope:x}"),
            "13:43: 'scope:x' can never hold: no token is verified",
        ),
        (migration(CANARY.replace("10", "10.001")), "12:23: migrations.m.canary.percent: has more than two decimals"),
        (migration(CANARY.replace("10", "101")), "12:23: migrations.m.canary.percent: must be at most 100, found 101"),
        (migration(CANARY.replace("10", "10, sticky: claim:sub")), "12:35: 'claim:sub' can never hold"),
        (
            migration(CANARY + "override: {header: X-Auth-Subject, permitted: scope:x}", auth=True),
            "15:24: the header X-Auth-Subject is set by the gateway",
        ),
        (
            BASE + "tests: [{request: GET a, expect: {upstream: old}}]\n",
            "6:19: tests[0].request: expected a method and",
        ),
        (BASE + "tests: [{request: GET /, expect: {}}]\n", "6:26: tests[0].expect: expects nothing"),
        (
            BASE + "tests: [{request: GET /, expect: {upstream: nwe}}]\n",
            "6:45: there is no upstream 'nwe' (did you mean",
        ),
        (BASE + "tests: [{request: GET /, expect: {route: r}}]\n", "6:42: there is no route 'r'"),
    ],
)
def test_settings_that_contradict_are_reported_at_their_place(
    write: Write, problems: Problems, text: str, problem: str
) -> None:
    (found,) = problems(write(text))
    assert found.startswith(f"gateway.yaml:{problem}")


def test_a_migration_may_have_claims_where_a_provider_verifies_them(write: Write) -> None:
    text = migration(CANARY + "always: claim:a=b\noverride: {header: X-Side, permitted: scope:x}", auth=True)
    assert load(write(text), {}).snapshot.migrations["m"].override is not None


def test_names_of_invalid_sections_count_as_defined(write: Write, problems: Problems) -> None:
    text = BASE.replace("http://127.0.0.1:1", "ftp://127.0.0.1:1") + "tests: [{request: GET /, expect: {route: x}}]\n"
    (found,) = problems(write(text))
    assert found.startswith("gateway.yaml:3:20: upstreams.old.endpoints[0]: expected a URL")


def test_each_of_a_hundred_tied_routes_is_reported_once(write: Write, problems: Problems) -> None:
    routes = "".join(f"  - {{name: r{n}, match: {{path: /a}}, upstream: new}}\n" for n in range(100))
    assert len(problems(write(BASE + "routes:\n" + routes))) == 99


def test_probable_mistakes_are_warnings(write: Write) -> None:
    text = BASE + PROVIDER + "trusted_proxies: [0.0.0.0/0]\n"
    assert [str(warning).partition("gateway.yaml:")[2] for warning in load(write(text), {}).warnings] == [
        "4:3: the upstream 'new' is not used",
        "6:20: the provider 'shop' is not used",
        "7:19: every peer is trusted, so any client can claim any address",
    ]


def test_a_route_may_take_tokens_of_several_providers(write: Write, problems: Problems) -> None:
    text = (
        "version: 1\nupstreams: {a: {endpoints: 'http://127.0.0.1:1'}}\nauth:\n  providers:\n"
        "    old: {issuer: https://old.example, audience: a, jwks: dev/jwks.json, algorithms: [RS256]}\n"
        "    new: {issuer: https://new.example, audience: a, jwks: dev/jwks.json, algorithms: [RS256]}\n"
        "routes: [{name: r, match: {path: /}, upstream: a, auth: {provider: %s}}]\n"
    )
    loaded = load(write(text % "[old, new]"))
    assert loaded.snapshot.routes[0].auth == AuthRequirement(("old", "new"))
    assert not loaded.warnings
    assert "there is no provider 'nwe' (did you mean 'new'?)" in problems(write(text % "[old, nwe]"))[0]
    assert problems(write(text % "[old, old]"))[0].endswith("a provider is listed twice")


TRUSTING = BASE + "trusted_proxies: [10.0.0.0/8]\n"


@pytest.mark.parametrize("name", [*IDENTITY_HEADERS, "client_cert_chain"])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        (BASE + "routes: [{name: a, match: {path: /a, headers: {NAME: me}}, upstream: old}]\n", "6:48"),
        (
            BASE
            + "routes: [{name: a, match: {path: /a}, upstream: old, rate_limits: [{requests: 1, key: header:NAME}]}]\n",
            "6:87",
        ),
        (migration(CANARY + "always: header:NAME=x"), "13:13"),
        (migration(CANARY.replace("10", "10, sticky: header:NAME")), "12:35"),
        (migration(CANARY + "override: {header: NAME, permitted: scope:x}"), "13:24"),
    ],
)
def test_conditions_on_identity_headers_are_refused(
    write: Write, problems: Problems, text: str, place: str, name: str
) -> None:
    found = problems(write(text.replace("NAME", name)))
    assert [problem for problem in found if f"the header {name} is set by the gateway" in problem] == [
        f"gateway.yaml:{place}: the header {name} is set by the gateway alone; what a client sends is dropped"
        " (use a claim or a scope)"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BASE + "pass_headers: {X-Auth-Subject: anyone}\n", "6:16: the header X-Auth-Subject can't be passed on"),
        (BASE + "pass_headers: {x-forwarded-for: anyone}\n", "6:16: the header x-forwarded-for can't be passed on"),
        (BASE + "pass_headers: {X-Custom: anyone}\n", "6:16: the gateway does not drop the header X-Custom"),
        (BASE + "pass_headers: {SCRIPT_NAMES: anyone}\n", "(did you mean 'SCRIPT_NAME'?)"),
        (BASE + "pass_headers: {SCRIPT_NAME: proxies}\n", "6:29: the header SCRIPT_NAME can never pass"),
        (TRUSTING + "pass_headers: {SCRIPT_NAME: everybody}\n", "7:29: pass_headers.SCRIPT_NAME"),
    ],
)
def test_pass_headers_refuses_what_can_not_pass(write: Write, problems: Problems, text: str, problem: str) -> None:
    found = problems(write(text))
    assert len(found) == 1
    assert problem in found[0]


def test_passed_headers_are_in_the_snapshot_in_any_spelling(write: Write) -> None:
    loaded = load(write(TRUSTING + "pass_headers: {script_name: proxies, X-Client-IP: anyone}\n"), {})
    assert loaded.snapshot.pass_headers == {"script-name": "proxies", "x-client-ip": "anyone"}


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            BASE + "routes: [{name: a, match: {path: /a, headers: {X-Forwarded-Proto: https}}, upstream: old}]\n",
            "6:48: any client can send the header X-Forwarded-Proto",
        ),
        (BASE + "pass_headers: {Script-Name: anyone}\n", "6:29: with the header Script-Name, any client can choose"),
        (TRUSTING + "pass_headers: {Script-Name: proxies}\n", None),
        (BASE + "pass_headers: {X-Client-IP: anyone}\n", None),
    ],
)
def test_validate_warns_of_headers_that_clients_choose(write: Write, text: str, warning: str | None) -> None:
    warnings = [str(one) for one in load(write(text), {}).warnings if "any client" in one.message]
    assert len(warnings) == (warning is not None)
    if warning is not None:
        assert warning in warnings[0]
