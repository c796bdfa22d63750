"""What `rollout:` may say, what can't work, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from strangler.config.compile.rollout import compile_policy
from strangler.config.load import load
from strangler.config.schema.rollout import RolloutSection
from strangler.rollout.policy import Deadlines, EquivalenceRule, RolloutPolicy, Window

Write = Callable[..., Path]
Problems = Callable[..., list[str]]


def document(rollout: str | None = "{}", *, stage: str = "rollout", more: str = "", match: str = "") -> str:
    section = f"    rollout: {rollout}\n" if rollout is not None else ""
    return (
        "version: 1\n"
        "upstreams:\n"
        '  old: {endpoints: "http://127.0.0.1:1"}\n'
        '  new: {endpoints: "http://127.0.0.1:2"}\n'
        "default: old\n"
        "migrations:\n"
        "  m:\n"
        "    from: old\n"
        "    to: new\n"
        f"    stage: {stage}\n"
        f"{section}{more}"
        f"    routes: [{{match: {{path: /m, methods: [{match or 'GET'}]}}}}]\n"
    )


def policy(section: RolloutSection | None) -> RolloutPolicy:
    assert section is not None
    return compile_policy(section)


def test_a_rollout_without_settings_has_the_defaults_and_no_warnings(write: Write) -> None:
    loaded = load(write(document()), {})
    assert policy(loaded.model.migrations["m"].rollout) == RolloutPolicy()
    assert loaded.warnings == ()


def test_every_setting_reaches_the_policy(write: Write) -> None:
    text = """
      steps: [shadow, 0.5, 20, extracted]
      alpha: 0.02
      beta: 0.01
      harmful_ratio: 3
      floor: 1
      gates:
        equivalence: {target: 1, classes: high}
        errors: {}
        latency: {slower_than: legacy p99}
        checkout: {prometheus: "http://127.0.0.1:9090", query: "vector(0)", below: 0.02}
        approval: {before: [20, extracted]}
      windows: ["Mon-Thu 09:00-16:00 Europe/Berlin", "Sat,Sun 22:00-02:30 UTC"]
      depends_on: [other]
      watch: 2d
      writes: both sides share one database
      notify: {webhook: "${HOOK}"}
      stuck_after: {canary: 1d}
      dry_run: true"""
    other = document().partition("migrations:\n")[2].replace("/m", "/other").replace("  m:", "  other:")
    loaded = load(write(document(text) + other), {"HOOK": "https://chat.example/secret"})
    section = loaded.model.migrations["m"].rollout
    assert policy(section) == RolloutPolicy(
        steps=(0, 0.5, 20, 100),
        alpha=0.02,
        beta=0.01,
        harmful_ratio=3,
        floor=0.01,
        equivalence=EquivalenceRule(0.01, frozenset({"high"})),
        metrics={"checkout": 0.02},
        approve_before=frozenset({20, 100}),
        windows=(
            Window(frozenset({0, 1, 2, 3}), 9 * 3600, 16 * 3600, ZoneInfo("Europe/Berlin")),
            Window(frozenset({5, 6}), 22 * 3600, 2.5 * 3600, ZoneInfo("UTC")),
        ),
        depends_on=("other",),
        watch=2 * 86_400,
        deadlines=Deadlines(canary=86_400),
        dry_run=True,
    )
    assert section is not None
    assert section.notify is not None
    assert section.notify.webhook == "https://chat.example/secret"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            document(None),
            "10:12: migrations.m: stage rollout requires the section 'rollout' (rollout: {} has sound defaults)",
        ),
        (
            document("{steps: [shadwo, extracted]}"),
            "11:23: migrations.m.rollout.steps[0]: expected shadow, a percentage or extracted, found the text 'shadwo'"
            " (did you mean 'shadow'?)",
        ),
        (
            document("{steps: [shadow, 5]}"),
            "11:15: migrations.m.rollout.steps: the last step has to be 'extracted'",
        ),
        (
            document("{steps: [5, 1, extracted]}"),
            "11:15: migrations.m.rollout.steps: the steps have to rise",
        ),
        (
            document("{steps: [0, extracted]}"),
            "11:23: migrations.m.rollout.steps[0]: a percentage is more than 0 (that is shadow) and less than 100 (that"
            " is extracted): 0",
        ),
        (document("{alpha: 0}"), "11:22: migrations.m.rollout.alpha: must be more than 0, found 0"),
        (document("{harmful_ratio: 1}"), "11:30: migrations.m.rollout.harmful_ratio: must be more than 1, found 1"),
        (
            document('{windows: ["Mon-Fry 9:00-16:00 UTC"]}'),
            "11:25: migrations.m.rollout.windows[0]: 'Fry' is not one of Mon, Tue, Wed, Thu, Fri, Sat, Sun",
        ),
        (
            document('{windows: ["9-16"]}'),
            "11:25: migrations.m.rollout.windows[0]: expected days, times and a time zone such as"
            " \"Mon-Thu 09:00-16:00 Europe/Berlin\", found the text '9-16'",
        ),
        (
            document('{windows: ["Mon 9:00-16:00 Europe/Brelin"]}'),
            "11:25: migrations.m.rollout.windows[0]: this machine knows no time zone 'Europe/Brelin'; write one such as"
            " Europe/Berlin or UTC",
        ),
        (
            document("{depends_on: [x]}"),
            "11:28: there is no migration 'x' (known: m)",
        ),
        (document("{depends_on: [m]}"), "11:28: 'm' would depend on itself"),
        (
            document("{gates: {approval: {before: [7]}}}"),
            "11:43: '7' is not one of the steps shadow, 1, 5, 25, 50, extracted",
        ),
        (
            document("{gates: {checkout: {query: up, below: 1}}}"),
            "11:23: the key 'prometheus' is missing in migrations.m.rollout.gates.checkout",
        ),
        (
            document('{notify: {webhook: "ftp://x/"}}'),
            "11:33: migrations.m.rollout.notify.webhook: expected a URL that begins with http:// or https://",
        ),
        (
            document("{gates: {errors: {enabled: false}, latency: {enabled: false}}}"),
            "11:5: migrations.m.rollout: a rollout needs a gate that sees callers: errors, latency or a metric",
        ),
        (
            document(stage="canary", more="    canary: {sticky: visitor}\n"),
            "10:12: migrations.m: stage canary requires the section 'canary' with a percentage"
            " (for example canary: {percent: 10})",
        ),
    ],
)
def test_a_mistake_is_found_at_its_place(write: Write, problems: Problems, text: str, problem: str) -> None:
    assert problems(write(text)) == [f"gateway.yaml:{problem}"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            document(more="    canary: {sticky: none}\n"),
            "12:22: the rollout of 'm' can count no caller, because no sticky key tells one from another (write"
            " claim:NAME, header:NAME, cookie:NAME or visitor)",
        ),
        (
            document("{steps: [shadow, 10, extracted]}"),
            "11:15: the first share of 'm' is 10 % of the callers, and so many meet a bad release before it is stopped"
            " (begin with 1 % or less)",
        ),
        (
            document("{steps: [1, extracted]}"),
            "11:5: the equivalence gate of 'm' can't be measured: its first step is not shadow (begin 'steps' with"
            " shadow, or set gates.equivalence.enabled to false)",
        ),
        (
            document(match="POST"),
            "11:5: the rollout of 'm' moves writes, and 'writes' does not tell how data comes back after a rollback"
            " (for example writes: both sides share one database; or list only GET and HEAD in the routes' methods)",
        ),
    ],
)
def test_what_can_not_work_is_warned_of(write: Write, tmp_path: Path, text: str, warning: str) -> None:
    warnings = [str(each).replace(f"{tmp_path}/", "") for each in load(write(text), {}).warnings]
    assert f"gateway.yaml:{warning}" in warnings


def test_a_rollout_in_another_stage_is_a_persons_word(write: Write) -> None:
    loaded = load(write(document("{steps: [5, extracted]}", stage="legacy")), {})
    assert loaded.warnings == ()
    assert not loaded.snapshot.migrations["m"].rolled_out
