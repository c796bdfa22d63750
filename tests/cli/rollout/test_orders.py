"""`strangler rollout` and `strangler freeze`: what they show and order of a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strangler.control.rollouts.views import FreezeView, GateView, RolloutsView, StuckView
from tests.cli.conftest import Strangler
from tests.control.admin.gateways import OPERATE, READ, AdminApi, ShownGateway, rollout_view
from tests.control.admin.serving import serving
from tests.shadow.pairs import snapshot

LINE = "rollout of items: canary at 5 %; errors needs about 40 more failing callers on either side; about 2 h to go"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AdminApi, str]]:
    api = AdminApi(ShownGateway(snapshot(tmp_path_factory.mktemp("gateway"))))
    with serving(api) as url:
        yield api, url


@pytest.fixture
def api(admin: tuple[AdminApi, str], monkeypatch: pytest.MonkeyPatch) -> AdminApi:
    """Made-up rollouts, and an operator's token in the environment."""
    monkeypatch.setenv("STRANGLER_ADMIN_TOKEN", OPERATE)
    api, _ = admin
    api.rollouts.orders.clear()
    api.rollouts.frozen = None
    api.rollouts.views = {"items": rollout_view()}
    return api


@pytest.fixture
def url(admin: tuple[AdminApi, str]) -> str:
    return admin[1]


def test_status_is_a_line_a_migration(strangler: Strangler, api: AdminApi, url: str) -> None:
    api.rollouts.views["users"] = rollout_view("users", state="waiting", missing="", seconds_to_go=None, step="waiting")
    said = strangler("rollout", "status", url)
    assert (said.code, said.out.splitlines()) == (0, [LINE, "rollout of users: waiting at waiting"])


def test_status_of_one_migration_shows_its_gates(strangler: Strangler, api: AdminApi, url: str) -> None:
    gate = GateView("errors", "not enough", "errors needs about 40 more failing callers", 7200.0, {"extracted": 3})
    api.rollouts.views = {"items": rollout_view(gates=(gate,), reason="equivalence passes"), "users": rollout_view()}
    said = strangler("rollout", "status", url, "items")
    assert said.out.splitlines() == [
        LINE,
        "  errors needs about 40 more failing callers",
        "  since 2027-01-15 08:00:00 UTC: equivalence passes",
    ]
    assert list(strangler("rollout", "status", url, "items", "--json").json["rollouts"]) == ["items"]


def test_status_without_rollouts(strangler: Strangler, api: AdminApi, url: str) -> None:
    api.rollouts.views = {}
    assert strangler("rollout", "status", url).out == "no migration is in stage rollout\n"
    said = strangler("rollout", "status", url, "items")
    assert (said.code, said.err) == (1, "strangler: there is no rollout of 'items' (known: none)\n")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "rolled back", "step": "waiting"}, "rollout of items: rolled back at waiting; "),
        ({"stuck": StuckView(1_800_000_000.0, "no pairs")}, "; STUCK since 2027-01-15 08:00:00 UTC: no pairs"),
    ],
)
def test_status_exits_with_1_where_a_person_is_needed(
    strangler: Strangler, api: AdminApi, url: str, changes: dict[str, object], expected: str
) -> None:
    api.rollouts.views = {"items": rollout_view(**changes)}
    said = strangler("rollout", "status", url)
    assert said.code == 1
    assert expected in said.out


def test_status_tells_holds_stages_and_dry_runs(strangler: Strangler, api: AdminApi, url: str) -> None:
    for changes, expected in (
        ({"state": "holding", "held": "canary"}, "rollout of items: holding canary at 5 %; "),
        ({"stage": "canary"}, "rollout of items: canary at 5 %; stage canary in the configuration decides\n"),
        ({"dry_run": True}, "; dry run: nothing is moved\n"),
        ({"acknowledged": 1}, "; 1 of 2 workers have it\n"),
    ):
        api.rollouts.views = {"items": rollout_view(**changes)}
        assert expected in strangler("rollout", "status", url).out


def test_a_freeze_and_a_problem_are_shown(
    strangler: Strangler, api: AdminApi, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = RolloutsView("gateway-1", True, "the store can't be written: disk full", None, {})

    async def status() -> RolloutsView:
        return replace(shown, freeze=FreezeView("ada", 1_800_000_000.0, "sale"))

    monkeypatch.setattr(api.rollouts, "status", status)
    said = strangler("rollout", "status", url)
    assert said.code == 1
    assert said.out.splitlines()[:2] == [
        "frozen by ada since 2027-01-15 08:00:00 UTC: sale",
        "rollouts are not moved now: the store can't be written: disk full",
    ]


@pytest.mark.parametrize("kind", ["pause", "resume", "rollback", "promote"])
def test_orders_are_carried_out(strangler: Strangler, api: AdminApi, url: str, kind: str) -> None:
    said = strangler("rollout", kind, url, "items", "--reason", "sale")
    assert (said.code, said.out) == (0, LINE + "\n")
    assert api.rollouts.orders == [("items", kind, "ada", "sale", False)]
    assert strangler("rollout", kind, url, "items", "--json").json["rollouts"]["items"]["step"] == "5"


def test_promote_with_force(strangler: Strangler, api: AdminApi, url: str) -> None:
    assert strangler("rollout", "promote", url, "items", "--force").code == 0
    assert api.rollouts.orders == [("items", "promote", "ada", "", True)]
    assert strangler("rollout", "pause", url, "items", "--force").code == 2


def test_an_order_that_does_not_fit_is_refused(strangler: Strangler, api: AdminApi, url: str) -> None:
    said = strangler("rollout", "approve", url, "items")
    assert (said.code, said.err) == (1, f"strangler: the gateway at {url} refuses: the next step needs no approval\n")


def test_orders_need_a_token(
    strangler: Strangler, api: AdminApi, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRANGLER_ADMIN_TOKEN")
    said = strangler("rollout", "pause", url, "items")
    assert said.code == 1
    assert "requires a token that may operate. Set STRANGLER_ADMIN_TOKEN, or give --token-file." in said.err
    (tmp_path / "token").write_text(READ + "\n")
    said = strangler("rollout", "pause", url, "items", "--token-file", tmp_path / "token")
    assert "may read; this requires" in said.err
    (tmp_path / "token").write_text(OPERATE + "\n")
    assert strangler("rollout", "pause", url, "items", "--token-file", tmp_path / "token").code == 0
    said = strangler("rollout", "pause", url, "items", "--token-file", tmp_path / "none")
    assert (said.code, said.err) == (1, f"strangler: {tmp_path}/none can't be read: No such file or directory\n")


def test_history(strangler: Strangler, api: AdminApi, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"extracted": 3, "log_e_worse": -2.123456}
    reading = {"gate": "errors", "result": "pass", "why": "as many fail on both sides", "numbers": numbers}
    passed = {
        "at": 1_800_000_000.0, "migration": "items", "what": "passed", "who": "controller", "reason": "errors passes",
        "from_state": "canary", "to_state": "promoting", "from_share": 0.05, "to_share": 1.0, "readings": [reading],
        "forced": False, "dry_run": False,
    }  # fmt: skip
    paused = passed | {"what": "paused", "who": "ada", "reason": "", "to_state": "canary", "to_share": 0.05}

    async def history(migration: str, limit: int = 100) -> list[dict[str, object]]:
        return [paused | {"readings": [], "forced": True}, passed][:limit]

    monkeypatch.setattr(api.rollouts, "history", history)
    said = strangler("rollout", "history", url, "items")
    assert said.out.splitlines() == [
        "2027-01-15 08:00:00 UTC  paused (forced) by ada: canary at 5 %",
        "2027-01-15 08:00:00 UTC  passed by controller: canary at 5 % → promoting at 100 %",
        "  errors passes",
        "  errors: pass: as many fail on both sides (extracted 3, log_e_worse -2.123)",
    ]
    assert len(strangler("rollout", "history", url, "items", "--limit", "1", "--json").json) == 1


def test_freeze_and_unfreeze(strangler: Strangler, api: AdminApi, url: str) -> None:
    assert strangler("freeze", url).code == 2
    said = strangler("freeze", url, "--reason", "sale")
    assert said.out.splitlines() == ["frozen: sale", LINE]
    assert strangler("unfreeze", url, "--reason", "sale is over").out.splitlines() == ["rollouts go on", LINE]
    said = strangler("unfreeze", url)
    assert (said.code, said.err) == (1, f"strangler: the gateway at {url} refuses: there is no freeze\n")


def test_usage(strangler: Strangler, api: AdminApi, url: str) -> None:
    assert strangler("rollout", "pause").code == 2
    said = strangler("rollout", "pause", url, "items", "more")
    assert (said.code, "too many arguments" in said.err, "[CONFIG|URL] MIGRATION" in said.err) == (2, True, True)
