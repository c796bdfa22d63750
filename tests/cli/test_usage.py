"""The command as a whole: help, version, and exit code 2 for what it can't understand."""

from __future__ import annotations

from importlib import metadata

import pytest

from strangler.compiled import how_it_runs
from tests.cli.conftest import REFERENCE, Strangler

COMMANDS = ("run", "validate", "explain", "test", "token", "status", "demo")


def test_help_names_every_command(strangler: Strangler) -> None:
    said = strangler("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert command in said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(strangler: Strangler, command: str) -> None:
    said = strangler(command, "-h")
    assert said.code == 0
    assert f"Usage: strangler {command}" in said.out


def test_the_version_is_that_of_the_package(strangler_process: Strangler) -> None:
    said = strangler_process("--version")
    assert said.code == 0
    assert said.out == f"strangler-gateway {metadata.version('strangler-gateway')}, {how_it_runs()}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["explain"],
        ["validate", REFERENCE, "another"],
        ["validate", REFERENCE, "--frobnicate"],
        ["run", REFERENCE, "--workers", "0"],
        ["run", REFERENCE, "--workers", "many"],
        ["token", "--lifetime", "long"],
        ["status", "http://127.0.0.1:1", "another"],
        ["demo", "--workers", "0"],
    ],
)
def test_wrong_usage_is_reported_on_standard_error(strangler: Strangler, arguments: list[str]) -> None:
    said = strangler(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert "Usage: strangler" in said.err


def test_wrong_usage_of_the_process_is_2_as_well(strangler_process: Strangler) -> None:
    assert strangler_process("validate", "--frobnicate").code == 2
