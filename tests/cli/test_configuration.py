"""How commands are told the configuration: in one way everywhere, and what they say where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import REFERENCE, Strangler

CONFIG = """\
version: 1
admin: 127.0.0.1:1
store: {url: "sqlite:///none.sqlite3"}
upstreams: {shop: {endpoints: "http://127.0.0.1:1"}, new: {endpoints: "http://127.0.0.1:2"}}
default: shop
migrations:
  catalog: {from: shop, to: new, stage: shadow, routes: [{match: {path: "/catalog/**"}}]}
tests: [{request: GET /x, expect: {upstream: shop}}]
"""
# Of each command: its own arguments behind the configuration, its options, its exit code, and a part of what it says.
COMMANDS = {
    "validate": ((), (), 0, "is valid"),
    "test": ((), (), 0, "1 passed"),
    "explain": (("GET", "/x"), (), 0, "upstream   shop"),
    "status": ((), (), 1, "http://127.0.0.1:1/status (`admin` of "),
    "shadow report": (("catalog",), (), 1, "nothing has been stored yet"),
    "shadow show": (("7",), (), 1, "nothing has been stored yet"),
    "shadow rejudge": (("catalog",), (), 1, "nothing has been stored yet"),
    "shadow suggest": (("catalog",), (), 1, "nothing has been stored yet"),
    "capture": (("catalog",), ("--out", "x.har"), 1, "nothing has been stored yet"),
    "run": ((), ("--listen", "nowhere:port"), 2, "nowhere:port"),
    "compare": (
        (),
        ("--legacy", "http://127.0.0.1:1", "--extracted", "http://127.0.0.1:2", "--urls", "urls", "--migration", "x"),
        2,
        "has no migration 'x'; known: catalog",
    ),
}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder where nothing is, with no variable set."""
    monkeypatch.delenv("STRANGLER_CONFIG", raising=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/urls").write_text("/x\n")
    monkeypatch.chdir(tmp_path / "empty")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", ["argument", "option", "short option", "variable", "folder", "checkout"])
def test_every_command_takes_its_configuration_in_every_way(
    strangler: Strangler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, way: str
) -> None:
    own, options, code, part = COMMANDS[command]
    place = tmp_path / "gateway.yaml"
    named: list[str] = []
    behind: list[str] = []
    if way == "argument":
        named = [str(place)]
    elif way in ("option", "short option"):
        behind = ["--config" if way == "option" else "-c", str(place)]
    elif way == "variable":
        monkeypatch.setenv("STRANGLER_CONFIG", str(place))
    else:
        place = Path("gateway.yaml" if way == "folder" else "config/gateway.yaml")
        place.parent.mkdir(exist_ok=True)
    place.write_text(CONFIG)
    said = strangler(*command.split(), *named, *own, *behind, *options)
    assert said.code == code, said
    assert part in said.out + said.err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "status"])
def test_every_command_reports_a_missing_configuration(strangler: Strangler, command: str) -> None:
    own, options, _, _ = COMMANDS[command]
    said = strangler(*command.split(), *own, *options)
    assert said.code == 2
    assert "STRANGLER_CONFIG is not set" in said.err
    assert f"there is no ./gateway.yaml or ./config/gateway.yaml in {Path.cwd()}" in said.err


def test_status_without_a_configuration_uses_the_default_address(strangler: Strangler) -> None:
    said = strangler("status")
    assert "http://127.0.0.1:8081/status" in said.out + said.err or said.code == 0
    assert said.code == 0 or "the default: STRANGLER_CONFIG is not set, and there is no ./gateway.yaml" in said.err


def test_status_reads_the_address_of_an_invalid_configuration(strangler: Strangler, tmp_path: Path) -> None:
    """That it is invalid may be why the gateway is asked."""
    (tmp_path / "gateway.yaml").write_text("admin: 0.0.0.0:1\nupstreams: 7\n")
    said = strangler("status", tmp_path / "gateway.yaml")
    assert "http://127.0.0.1:1/status" in said.err
    (tmp_path / "gateway.yaml").write_text("admin: [\n")
    assert "can't be read: " in strangler("status", tmp_path / "gateway.yaml").err


def test_a_variable_that_names_no_file_is_reported(strangler: Strangler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRANGLER_CONFIG", "nowhere.yaml")
    said = strangler("validate")
    assert (said.code, said.err) == (
        2,
        f"strangler: there is no nowhere.yaml, which STRANGLER_CONFIG names, in {os.getcwd()}\n",
    )


def test_an_argument_overrides_the_variable_and_the_folder(
    strangler: Strangler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRANGLER_CONFIG", "nowhere.yaml")
    Path("gateway.yaml").write_text("invalid")
    (tmp_path / "good.yaml").write_text(CONFIG)
    assert strangler("validate", tmp_path / "good.yaml").code == 0
    assert strangler("validate", "--config", tmp_path / "good.yaml").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("validate", "a.yaml", "--config", "b.yaml"), "two configurations are given: a.yaml and --config b.yaml"),
        (("explain", "GET"), "PATH is missing (expected: [CONFIG] METHOD PATH)"),
        (("explain", REFERENCE, "GET"), "PATH is missing"),
        (("explain", REFERENCE, "GET", "/x", "/y"), "too many arguments"),
        (("shadow", "report", REFERENCE), "MIGRATION is missing"),
        (("shadow", "show", "seven", "--config", REFERENCE), "'seven' is not the number of a pair"),
        (("status", "http://127.0.0.1:1", "--config", REFERENCE), "give either a URL or --config"),
    ],
)
def test_contradicting_arguments_are_wrong_usage(
    strangler: Strangler, arguments: tuple[str, ...], message: str
) -> None:
    said = strangler(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert message in said.err
