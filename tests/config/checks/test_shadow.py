"""What `shadow:` and `store:` may say, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.compile.compare import rules_of
from strangler.config.load import load
from strangler.model.methods import COMPARABLE
from strangler.model.shadow import Redact, Shadow

Write = Callable[..., Path]
Problems = Callable[..., list[str]]


def document(shadow: str = "", *, stage: str = "shadow", upstreams: str = "", rest: str = "", match: str = "") -> str:
    section = f"    shadow: {shadow}\n" if shadow else ""
    canary = "    canary: {percent: 10}\n" if stage == "canary" else ""
    return (
        "version: 1\n"
        "upstreams:\n"
        '  old: {endpoints: "http://127.0.0.1:1"}\n'
        '  new: {endpoints: "http://127.0.0.1:2"}\n'
        f"{upstreams}"
        "default: old\n"
        "migrations:\n"
        "  m:\n"
        "    from: old\n"
        "    to: new\n"
        f"    stage: {stage}\n"
        f"{canary}{section}"
        f"    routes: [{{match: {{path: /m{match}}}}}]\n"
        f"{rest}"
    )


SANDBOX = '  sandbox: {endpoints: "http://127.0.0.1:3"}\n'


def shadow_of(path: Path) -> Shadow | None:
    return load(path, {}).snapshot.migrations["m"].shadow


def test_stage_shadow_copies_safe_requests_by_default(write: Write) -> None:
    shadow = shadow_of(write(document()))
    assert shadow is not None
    assert shadow.threshold == 10_000
    assert shadow.methods == COMPARABLE
    assert shadow.store == "digests"


@pytest.mark.parametrize("stage", ["legacy", "canary", "extracted", "retired"])
def test_other_stages_copy_nothing(write: Write, stage: str) -> None:
    assert shadow_of(write(document("{percent: 50}", stage=stage))) is None


@pytest.mark.parametrize("stage", ["canary", "extracted"])
def test_reverse_copies_where_extracted_serves(write: Write, stage: str) -> None:
    assert shadow_of(write(document("{reverse: true}", stage=stage))) is not None


def test_every_shadow_setting_reaches_the_snapshot(write: Write) -> None:
    shadow = shadow_of(
        write(
            document(
                "{percent: 2.5, by: request, methods: [GET, POST], sandbox: sandbox, request_body: 1KiB,"
                " response_body: 2KiB, concurrency: 3, queue: 0, timeout: 4s, confirm_after: 0s, noise_percent: 20,"
                " store: values, redact: Email, keep: {age: 1h, size: 1MiB}}",
                upstreams=SANDBOX,
            )
        )
    )
    assert shadow is not None
    assert (shadow.threshold, shadow.by, shadow.methods) == (250, "request", {"GET", "POST"})
    assert (shadow.sandbox, shadow.request_body, shadow.response_body) == ("sandbox", 1024, 2048)
    assert (shadow.concurrency, shadow.queue, shadow.timeout, shadow.confirm_after) == (3, 0, 4.0, 0.0)
    assert (shadow.noise_percent, shadow.store, shadow.redact) == (20, "values", Redact(frozenset({"email"})))
    assert (shadow.keep.age, shadow.keep.size) == (3600.0, 1_048_576)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (document("{methods: [GET, POST]}"), "11:29: copies of POST requests could change data that callers see"),
        (document("{methods: [TRACE]}"), "TRACE can't be copied"),
        (document("{sandbox: new}"), "'new' serves callers, so it can't be the sandbox"),
        (document("{sandbox: old}"), "'old' serves callers, so it can't be the sandbox"),
        (document("{sandbox: sand}", upstreams=SANDBOX), "there is no upstream 'sand' (did you mean 'sandbox'?)"),
        (
            document("{sandbox: sandbox}", upstreams=SANDBOX.replace("127.0.0.1:3", "localhost:2")),
            "12:23: the sandbox 'sandbox' has an endpoint of 'new', which serves callers",
        ),
        (
            document(
                "{sandbox: sandbox}",
                upstreams=SANDBOX,
                rest="routes: [{name: r, match: {path: /r}, upstream: sandbox}]\n",
            ),
            "'sandbox' serves callers",
        ),
        (document("{percent: 101}"), "must be at most 100"),
        (document("{by: visitor}"), "by"),
        (document("{store: everything}"), "store"),
        (document(rest='store: {url: "sqlite://relative"}\n'), "expected sqlite:///PATH or postgresql://HOST/DATABASE"),
        (document(rest='store: {url: "postgresql://u:secret@db/x"}\n'), "a password must not be in the YAML"),
    ],
)
def test_invalid_settings_are_reported_at_their_place(
    write: Write, problems: Problems, text: str, problem: str
) -> None:
    found = problems(write(text))
    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (document("{percent: 0}"), "shadows but copies 0 %"),
        (document(match=", methods: [POST]"), "copies none of this route's methods"),
    ],
)
def test_a_shadow_that_copies_nothing_is_a_warning(write: Write, text: str, warning: str) -> None:
    warnings = [str(one) for one in load(write(text), {}).warnings]
    assert any(warning in line for line in warnings), warnings


def test_a_sandbox_is_used(write: Write) -> None:
    path = write(document("{methods: [GET, POST], sandbox: sandbox}", upstreams=SANDBOX))
    assert not load(path, {}).warnings


def test_the_stores_path_is_relative_to_the_file(write: Write, tmp_path: Path) -> None:
    assert load(write(document()), {}).snapshot.store.url == f"sqlite:///{tmp_path}/var/strangler.sqlite3"
    path = write(document(rest="store: {url: 'sqlite:////srv/x.sqlite3'}\n"))
    assert load(path, {}).snapshot.store.url == "sqlite:////srv/x.sqlite3"


def test_a_database_password_comes_from_the_environment_and_stays_hidden(write: Write) -> None:
    path = write(document(rest="store: {url: '${STORE}'}\n"))
    snapshot = load(path, {"STORE": "postgresql://u:secret@db/x"}).snapshot
    assert snapshot.store.url == "postgresql://u:secret@db/x"
    assert "secret" not in repr(snapshot.store)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("email", Redact(frozenset({"email"}))),
        ("[Email, phone]", Redact(frozenset({"email", "phone"}))),
        ("{names: email}", Redact(frozenset({"email"}))),
        ("{card_numbers: false}", Redact(card_numbers=False)),
        ("{names: [phone], card_numbers: false}", Redact(frozenset({"phone"}), card_numbers=False)),
    ],
)
def test_redact_is_a_list_of_names_or_a_mapping(write: Write, said: str, expected: Redact) -> None:
    shadow = shadow_of(write(document(f"{{redact: {said}}}")))
    assert shadow is not None
    assert shadow.redact == expected
    model = load(write(document(f"{{redact: {said}}}")), {}).model
    rules = rules_of(model, "m")
    assert (rules.redaction.text("4111111111111111") == "4111111111111111") is not expected.card_numbers


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{cards: false}", "cards"),
        ("{card_numbers: 'no'}", "card_numbers"),
        ("{names: 5}", "names"),
        ("5", "redact"),
        ("['']", "redact"),
    ],
)
def test_invalid_redaction_is_reported_at_its_place(write: Write, problems: Problems, said: str, problem: str) -> None:
    (found,) = problems(write(document(f"{{redact: {said}}}")))
    assert problem in found
    print(found)
