"""`strangler run`: what is said when it can't start. That it serves is shown by the tests in tests/e2e."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Strangler

Write = Callable[[str], Path]


def test_run_reports_an_invalid_file_with_places(strangler_process: Strangler, write: Write) -> None:
    file = write("version: 1\nupstreams:\n  shop: {endpoint: []}\ndefault: shpo\n")
    said = strangler_process("run", file)
    assert said.code == 1
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == f"{file}:3:10: unknown key 'endpoint' in upstreams.shop (did you mean 'endpoints'?)"
    assert any(line.startswith(f"{file}:4:10: ") for line in lines)
    assert lines[-1] == f"{len(lines) - 1} problems"


def test_run_reports_a_missing_file(strangler_process: Strangler, tmp_path: Path) -> None:
    said = strangler_process("run", tmp_path / "nothing.yaml")
    assert said.code == 1
    assert said.err == f"{tmp_path / 'nothing.yaml'}:1:1: can't be read: No such file or directory\n1 problem\n"


def test_run_reports_a_missing_key_file_at_its_place(strangler_process: Strangler, write: Write) -> None:
    file = write(
        "version: 1\nupstreams: {shop: {endpoints: ['http://127.0.0.1:1']}}\nauth:\n  providers:\n    shop:\n"
        "      issuer: https://id.shop.example\n      audience: shop\n      algorithms: [ES256]\n"
        "      jwks: keys.json\n"
    )
    said = strangler_process("run", file)
    assert said.code == 1
    assert f"{file}:9:13: " in said.err
    assert "keys.json can't be read: No such file or directory" in said.err


def test_run_reports_an_address_of_another_machine(strangler_process: Strangler, write: Write) -> None:
    file = write("version: 1\nlisten: 192.0.2.1:80\nupstreams: {shop: {endpoints: ['http://127.0.0.1:1']}}\n")
    said = strangler_process("run", file)
    assert said.code == 1
    assert "strangler: can't start: " in said.err
    assert "Traceback" not in said.err


def test_an_invalid_address_is_wrong_usage(strangler_process: Strangler, write: Write) -> None:
    file = write("version: 1\nupstreams: {shop: {endpoints: ['http://127.0.0.1:1']}}\n")
    said = strangler_process("run", file, "--listen", "anywhere")
    assert said.code == 2
    assert said.err == "strangler: expected host:port or a port, found the text 'anywhere'\n"
