"""`strangler test`: the `tests:` section of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import REFERENCE, Strangler

Write = Callable[[str], Path]

CONFIGURATION = """\
version: 1
upstreams:
  shop: {endpoints: ["http://127.0.0.1:1"]}
  files: {endpoints: ["http://127.0.0.1:2"]}
default: shop
routes:
  - name: static
    match: {path: /static/**}
    upstream: files
"""
PASSING = """\
tests:
  - request: GET /static/a.css
    expect: {route: static, upstream: files}
  - request: GET /cart/
    expect: {route: default, upstream: shop}
"""
FAILING = """\
  - request: GET /static
    expect: {route: default, upstream: files}
"""


def test_the_tests_of_the_reference_configuration_pass(strangler_process: Strangler) -> None:
    said = strangler_process("test", REFERENCE)
    assert said.code == 0
    assert said.out == "13 passed, 0 failed\n"


def test_a_failed_routing_test_is_reported_with_place_and_decision(strangler_process: Strangler, write: Write) -> None:
    file = write(CONFIGURATION + PASSING + FAILING)
    said = strangler_process("test", file)
    assert said.code == 1
    assert said.out.splitlines() == [
        f"{file}:15:5: GET /static: route is static, expected default",
        "2 passed, 1 failed",
    ]


def test_an_unexpected_refusal_is_explained(strangler: Strangler, write: Write) -> None:
    text = Path(REFERENCE).read_text().partition("tests:\n")[0]
    file = write(text + "tests:\n  - request: GET /api/orders\n    expect: {upstream: monolith}\n")
    said = strangler("test", file)
    assert said.code == 1
    assert "upstream is none, expected monolith" in said.out
    assert "the gateway refuses with 401: This route requires a bearer token." in said.out


def test_json_holds_the_same(strangler: Strangler, write: Write) -> None:
    file = write(CONFIGURATION + PASSING + FAILING)
    said = strangler("test", file, "--json")
    assert said.code == 1
    assert said.json["passed"] == 2
    assert said.json["failed"] == 1
    assert said.json["tests"][2] == {
        "test": "GET /static",
        "source": f"{file}:15:5",
        "differences": ["route is static, expected default"],
    }


def test_a_configuration_without_tests_is_no_success(strangler: Strangler, write: Write) -> None:
    said = strangler("test", write(CONFIGURATION))
    assert said.code == 1
    assert "has no section 'tests'" in said.err


@pytest.mark.parametrize(
    "request_line",
    ["GET", "GET relative", "GET /a b", "GET /#a", "GET /\N{SNOWMAN}", '"GET /\\u0001"', "G\N{BULLET}T /"],
)
def test_an_impossible_request_is_reported_at_its_place(strangler: Strangler, write: Write, request_line: str) -> None:
    file = write(CONFIGURATION + f"tests:\n  - request: {request_line}\n    expect: {{upstream: shop}}\n")
    said = strangler("test", file)
    assert said.code == 1
    assert said.err.startswith(f"{file}:11:14: tests[0].request: expected a method and a path")


def test_an_invalid_configuration_is_reported_as_by_validate(strangler: Strangler, write: Write) -> None:
    file = write(CONFIGURATION + "defualt: shop\n")
    assert strangler("test", file).code == 1
    assert strangler("test", file).err == strangler("validate", file).err
