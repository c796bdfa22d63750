"""`strangler validate`: everything that is wrong, each at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import REFERENCE, Strangler

Write = Callable[[str], Path]

GOOD = """\
version: 1
upstreams:
  shop: {endpoints: ["http://127.0.0.1:1"]}
default: shop
"""

BAD = """\
version: 1
upstreams:
  shop: {endpoint: ["http://127.0.0.1:1"]}
default: shpo
routes:
  - name: odd
    match: {path: relative}
    upstream: shop
"""


def test_a_valid_configuration_is_reported_with_counts(strangler_process: Strangler) -> None:
    said = strangler_process("validate", REFERENCE)
    assert said.code == 0
    assert said.out.startswith(f"{REFERENCE} is valid: 5 routes, 2 migrations, 3 upstreams, 13 tests (version ")
    assert said.err == ""


def test_all_problems_are_reported_at_their_places(strangler_process: Strangler, write: Write) -> None:
    file = write(BAD)
    said = strangler_process("validate", file)
    assert said.code == 1
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == f"{file}:3:10: unknown key 'endpoint' in upstreams.shop (did you mean 'endpoints'?)"
    assert any(line.startswith(f"{file}:4:10: ") and "did you mean 'shop'?" in line for line in lines)
    assert any(line.startswith(f"{file}:7:19: ") for line in lines)
    assert lines[-1] == f"{len(lines) - 1} problems"


def test_invalid_yaml_is_reported_with_its_place(strangler: Strangler, write: Write) -> None:
    file = write("version: 1\nupstreams: [\n")
    said = strangler("validate", file)
    assert said.code == 1
    assert said.err.startswith(f"{file}:3:1: ")
    assert said.err.endswith("\n1 problem\n")


def test_json_holds_the_same(strangler: Strangler, write: Write) -> None:
    file = write(BAD)
    said = strangler("validate", file, "--json")
    assert said.code == 1
    assert said.err == ""
    assert said.json["valid"] is False
    first = said.json["problems"][0]
    assert (first["file"], first["line"], first["column"]) == (str(file), 3, 10)
    assert first["hint"] == "did you mean 'endpoints'?"
    assert len(said.json["problems"]) == len(strangler("validate", file).err.splitlines()) - 1


def test_json_of_a_valid_configuration(strangler: Strangler, write: Write) -> None:
    said = strangler("validate", write(GOOD), "--json")
    assert said.code == 0
    assert said.json["valid"] is True
    assert said.json["version"] in strangler("validate", write(GOOD)).out


def test_a_folder_is_validated_as_a_whole(strangler: Strangler, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("upstreams:\n  shop: {endpoints: ['http://127.0.0.1:2']}\n")
    said = strangler("validate", tmp_path)
    assert said.code == 1
    assert f"{tmp_path / 'b.yaml'}:2:" in said.err
    (tmp_path / "b.yaml").write_text("upstreams:\n  other: {endpoints: ['http://127.0.0.1:2']}\n")
    assert "2 upstreams" in strangler("validate", tmp_path).out


@pytest.mark.parametrize("what", ["nothing.yaml", "."])
def test_a_missing_file_is_reported(strangler: Strangler, tmp_path: Path, what: str) -> None:
    said = strangler("validate", tmp_path / what)
    assert said.code == 1
    assert said.err.startswith(f"{tmp_path / what}:1:1: ")


KEY_SET = """\
version: 1
upstreams: {shop: {endpoints: "http://127.0.0.1:1"}}
auth:
  providers:
    id: {issuer: https://id.example, audience: shop, jwks: jwks.json, algorithms: [RS256]}
routes: [{name: r, match: {path: /}, upstream: shop, auth: {provider: id}}]
"""


def test_a_key_set_file_without_a_usable_key_is_a_warning_with_the_reason(
    strangler: Strangler, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "jwks.json").write_text(
        '{"keys": [{"kty": "RSA", "kid": "a", "use": "enc", "n": "AQAB", "e": "AQAB"}]}'
    )
    file = write(KEY_SET)
    said = strangler("validate", file)
    assert said.code == 0
    reason = "it has no key that can verify RS256: key a: it is not for signatures (use)"
    warning = f"auth.providers.id: no token can be verified: {tmp_path / 'jwks.json'}: {reason}"
    assert said.err == f"warning: {file}:5:5: {warning}\n"
    assert [one["message"] for one in strangler("validate", file, "--json").json["warnings"]] == [warning]
