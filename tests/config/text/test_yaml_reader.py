"""Reading YAML: places, traps, the environment, folders."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.config.text.document import Document
from strangler.config.text.environment import Substituted, substitute
from strangler.config.text.problems import ConfigurationError, Problem
from strangler.config.text.yaml_reader import read_document

Write = Callable[..., Path]
Problems = Callable[..., list[str]]

UPSTREAM = "upstreams: {a: {endpoints: 'http://127.0.0.1:1'}}\ndefault: a\n"


def read(path: Path, environment: Mapping[str, str] | None = None) -> tuple[Document, list[str]]:
    found: list[Problem] = []
    document = read_document(path, environment or {}, found)
    return document, [str(problem).replace(f"{path.parent}/", "") for problem in found]


def test_every_key_and_value_has_its_place(write: Write) -> None:
    document, _ = read(write("a:\n  b: [1, {c: x}]\nd: é   # comment\n"))
    at = {str(document.source(*path)).rpartition("gateway.yaml:")[2] for path in [("a",)]}
    assert at == {"1:1"}
    assert (document.source("a", "b", 0).line, document.source("a", "b", 0).column) == (2, 7)
    assert (document.source("a", "b", 1, "c").line, document.source("a", "b", 1, "c").column) == (2, 14)
    assert document.source("a", "b", 1, "c", key=True).column == 11
    assert document.source("d").column == 4
    assert document.source("a", "none", "there") == document.source("a")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("010", "010"),
        ("12:30:00", "12:30:00"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ("~", None),
        ("", None),
    ],
)
def test_a_value_is_what_it_looks_like(write: Write, written: str, meant: object) -> None:
    document, found = read(write(f"a: {written}\n"))
    value = document.root.plain()["a"]
    assert (value, type(value)) == (meant, type(meant))
    assert found == []


def test_a_key_given_twice_is_refused(write: Write) -> None:
    file = write("a: 1\nb: {c: 1,\n  c: 2}\na: 2\n")
    assert read(file)[1] == [
        f"gateway.yaml:3:3: the key 'c' is given twice (first at {file}:2:5)".replace(f"{file.parent}/", ""),
        f"gateway.yaml:4:1: the key 'a' is given twice (first at {file}:1:1)".replace(f"{file.parent}/", ""),
    ]


def test_a_key_that_is_not_text_is_refused(write: Write) -> None:
    assert read(write("1: a\ntrue: b\n"))[1] == [
        'gateway.yaml:1:1: the key 1 is read as a number (put it in quotes: "1")',
        'gateway.yaml:2:1: the key true is read as a boolean (put it in quotes: "true")',
    ]


def test_anchors_and_merge_keys_work(write: Write) -> None:
    document, found = read(
        write("x-all: &all {connect: 1s, idle: 2s}\na: {<<: *all, idle: 3s}\nb: *all\nc: {<<: [{d: 1}, *all]}\n")
    )
    assert found == []
    assert document.root.plain() == {
        "a": {"connect": "1s", "idle": "3s"},
        "b": {"connect": "1s", "idle": "2s"},
        "c": {"d": 1, "connect": "1s", "idle": "2s"},
    }


def test_an_alias_of_itself_is_refused(write: Write) -> None:
    assert read(write("a: &a [*a]\n"))[1] == ["gateway.yaml:1:4: this alias contains itself"]


def test_nested_aliases_are_bounded(write: Write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ConfigurationError, match="more values than a configuration may"):
        read(write("\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "gateway.yaml:1:1: is empty"),
        ("# nothing\n", "gateway.yaml:1:1: is empty"),
        ("- a\n", "gateway.yaml:1:1: must be a mapping of sections such as 'upstreams' and 'routes'"),
        ("a: 1\nb: [1\n", "gateway.yaml:3:1: is not YAML: while parsing a flow sequence"),
        ("a: 1\n---\nb: 2\n", "gateway.yaml:2:1: is not YAML: expected a single document"),
        ("a: *b\n", "gateway.yaml:1:4: is not YAML: found undefined alias"),
        ("a: !!python/object:os.system x\n", "gateway.yaml:1:4: the tag !!python/object:os.system is not"),
        (
            "a: {b: ${C}}\n",
            "gateway.yaml:1:9: is not YAML: while parsing a flow mapping, did not find expected ',' or '}'"
            " (inside { } and [ ], put ${NAME} in quotes)",
        ),
        ("a: \x01\n", "gateway.yaml:1:1: is not YAML"),
        ("[" * 5000, "gateway.yaml"),
    ],
)
def test_invalid_yaml_is_reported_at_its_place(write: Write, problems: Problems, text: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(write(text)))


@pytest.mark.parametrize("number", ["9" * 5000, "!!float .", "!!float e5", "!!int " + "1" * 101])
def test_a_variable_that_is_not_a_number_is_reported_at_its_place(
    write: Write, problems: Problems, number: str
) -> None:
    text = f"version: 1\nupstreams: {{a: {{endpoints: 'http://a:1'}}}}\ndefault: a\nlimits: {{requests: {number}}}\n"
    (found,) = problems(write(text))
    assert found.startswith("gateway.yaml:4:20: limits.requests: expected")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path, problems: Problems) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a: 1\nb: \xff\n")
    assert problems(file) == ["a.yaml:2:1: is not UTF-8 text"]
    assert problems(tmp_path / "none.yaml") == ["none.yaml:1:1: can't be read: No such file or directory"]


def test_environment_variables_are_substituted(write: Write) -> None:
    text = (
        "version: 1\nlisten: '${HOST}:${PORT:-8080}'\nupstreams:\n"
        "  a: {endpoints: 'http://${HOST}:81', connections: '${MANY}', queue: '${MANY}'}\n"
        "default: a\naccess_log: {enabled: '${LOG}', path: '$${HOST}.log'}\n"
    )
    loaded = load(write(text), {"HOST": "127.0.0.2", "MANY": "7", "LOG": "false"})
    assert str(loaded.snapshot.listen) == "127.0.0.2:8080"
    upstream = loaded.snapshot.upstreams["a"]
    assert (upstream.endpoints[0].url, upstream.connections, upstream.queue) == ("http://127.0.0.2:81", 7, 7)
    assert loaded.snapshot.access_log.enabled is False
    assert loaded.snapshot.access_log.path == "${HOST}.log"


def test_a_missing_variable_is_reported_once_at_its_place(write: Write, problems: Problems) -> None:
    text = f"version: 1\nlisten: ${{HOST}}\n{UPSTREAM}limits: {{connections: 0}}\n"
    assert problems(write(text)) == [
        "gateway.yaml:2:9: the environment variable HOST is not set",
        "gateway.yaml:5:23: limits.connections: must be at least 1, found 0",
    ]


def test_substitution_remembers_what_was_written() -> None:
    assert substitute("a$b ${A}-${B:-x}", {"A": "1", "B": ""}) == ("a$b 1-x", [])
    assert substitute("${A}", {}) == ("${A}", ["A"])
    assert Substituted("x", "${A}").whole
    assert not Substituted("x", "${A:-x}").whole
    assert not Substituted("x", "${A}b").whole


def test_text_of_the_environment_is_plain_text_to_workers() -> None:
    again = pickle.loads(pickle.dumps(Substituted("x", "${A}")))
    assert (again, type(again)) == ("x", str)


def test_a_folder_is_one_configuration(write: Write, tmp_path: Path) -> None:
    write(f"version: 1\n{UPSTREAM}routes: [{{name: r, match: {{path: /r}}, upstream: b}}]\n", "conf/a.yaml")
    write(
        "version: 1\nupstreams: {b: {endpoints: 'http://127.0.0.1:2'}}\n"
        "routes: [{name: s, match: {path: /s}, upstream: a}]\n",
        "conf/b.yaml",
    )
    write("not: [read", "conf/notes.txt")
    loaded = load(tmp_path / "conf", {})
    assert sorted(loaded.snapshot.upstreams) == ["a", "b"]
    assert [(route.name, Path(route.source.file).name) for route in loaded.snapshot.routes] == [
        ("r", "a.yaml"),
        ("s", "b.yaml"),
    ]
    assert set(loaded.watched) == {tmp_path / name for name in ("conf", "conf/a.yaml", "conf/b.yaml")}


def test_a_name_defined_in_two_files_is_refused(write: Write, tmp_path: Path, problems: Problems) -> None:
    write(f"version: 1\nlisten: 8080\n{UPSTREAM}", "conf/a.yaml")
    write(f"listen: 8080\n{UPSTREAM}", "conf/b.yaml")
    assert problems(tmp_path / "conf") == [
        f"conf/b.yaml:1:1: 'listen' is defined twice (first at {tmp_path}/conf/a.yaml:2:1)".replace(f"{tmp_path}/", ""),
        "conf/b.yaml:2:13: 'upstreams.a' is defined twice (first at conf/a.yaml:3:13)",
        "conf/b.yaml:3:1: 'default' is defined twice (first at conf/a.yaml:4:1)",
    ]


def test_an_empty_folder_is_refused(tmp_path: Path, problems: Problems) -> None:
    (tmp_path / "conf").mkdir()
    assert problems(tmp_path / "conf") == ["conf:1:1: the folder holds no *.yaml or *.yml file"]
