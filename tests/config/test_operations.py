"""What a configuration says of operating the gateway: its folder, the store's driver, how long a worker may hang."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.config.text.masking import Masking
from strangler.config.text.problems import Problem
from strangler.config.text.yaml_reader import read_document
from strangler.model.yaml_place import YamlPlace
from tests.config.conftest import Problems, Write

UPSTREAM = 'upstreams: {a: {endpoints: "http://127.0.0.1:1"}}\n'


def test_a_folder_holds_yaml_and_yml_files(write: Write, tmp_path: Path) -> None:
    write(f"version: 1\n{UPSTREAM}", "conf/a.yaml")
    write("default: a\n", "conf/b.yml")
    write("default: [\n", "conf/c.txt")
    loaded = load(tmp_path / "conf", {})
    assert loaded.snapshot.default == "a"
    assert [file.name for file in loaded.watched] == ["conf", "a.yaml", "b.yml"]


def test_a_name_defined_in_a_yml_and_a_yaml_file_is_refused(write: Write, tmp_path: Path, problems: Problems) -> None:
    write(f"version: 1\n{UPSTREAM}", "conf/a.yaml")
    write("default: a\nversion: 1\n", "conf/b.yml")
    write("default: a\n", "conf/c.yaml")
    assert problems(tmp_path / "conf") == [
        "conf/c.yaml:1:1: 'default' is defined twice (first at conf/b.yml:1:1)",
    ]


def test_a_missing_store_driver_is_a_warning_with_the_package_to_install(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(f'version: 1\n{UPSTREAM}default: a\nstore: {{url: "postgresql://a@b/c"}}\n')
    assert load(file, {}).warnings == ()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (warning,) = load(file, {}).warnings
    assert "the PostgreSQL driver can't be loaded" in warning.message
    assert warning.hint == "pip install 'strangler-gateway[postgresql]'"
    assert (warning.source.line, warning.source.column) == (4, 14)


def test_the_hang_limit_of_workers_is_configurable(write: Write, tmp_path: Path, problems: Problems) -> None:
    assert load(write(f"version: 1\n{UPSTREAM}"), {}).snapshot.hang == 30
    assert load(write(f"version: 1\n{UPSTREAM}workers: {{hang: 2m}}\n"), {}).snapshot.hang == 120
    file = write(f"version: 1\n{UPSTREAM}workers: {{hang: 1s}}\n")
    (problem,) = problems(file)
    assert "must be at least 3 s, because workers report once a second" in problem


MIGRATION = 'migrations: {m: {from: a, to: b, stage: "${A_STAGE}", routes: [{match: {path: /m}}]}}\n'
BOTH = 'upstreams: {a: {endpoints: "http://127.0.0.1:1"}, b: {endpoints: "http://127.0.0.1:2"}}\n'


@pytest.mark.parametrize("value", ["a", "m", "e", "s", "one", "no", "text", "not", "stage", "legacyy"])
def test_a_variables_value_is_masked_only_where_it_was_used(write: Write, problems: Problems, value: str) -> None:
    file = write(f"version: 1\n{BOTH}{MIGRATION}")
    (said,) = problems(file, {"A_STAGE": value})
    assert said.startswith("gateway.yaml:3:")
    assert "migrations.m.stage: the text '${A_STAGE}' is not one of legacy, shadow, canary, extracted, retired" in said
    assert said.count("${") == 1


@pytest.mark.parametrize("value", ["a", "1x", "least"])
def test_a_word_that_equals_the_value_by_chance_is_not_masked(write: Write, problems: Problems, value: str) -> None:
    file = write(f'version: 1\n{BOTH}default: a\nworkers: {{hang: "${{HANG}}"}}\n')
    (said,) = problems(file, {"HANG": value})
    assert "'${HANG}'" in said
    assert said.count("${") == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("hunter2!", "the password ${VALUE} of somebody"),
        ("correcthorsebattery", "the password ${VALUE} of somebody"),
        ("extracted", "the password extracted of somebody"),
        ("b2", "the password b2 of somebody"),
        ("written-here", "the password written-here of somebody"),
    ],
)
def test_messages_about_other_places_hide_secrets_and_keep_words(write: Write, value: str, said: str) -> None:
    document = read_document(write('a: "${VALUE}"\nb: written-here\n'), {"VALUE": value}, [])
    (problem,) = Masking(document).masked([Problem(YamlPlace("elsewhere", 1, 1), f"the password {value} of somebody")])
    assert problem.message == said


def test_a_number_from_a_variable_is_masked_after_the_bound(write: Write, problems: Problems) -> None:
    file = write(f'version: 1\n{BOTH}default: a\nlimits: {{connections: "${{MOST}}"}}\n')
    assert problems(file, {"MOST": "0"}) == ["gateway.yaml:4:23: limits.connections: must be at least 1, found ${MOST}"]
