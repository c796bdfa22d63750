"""The admin API of a running gateway: tokens, orders about rollouts, and plans from counted traffic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Strangler, strangler, strangler_process
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import ask
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for

__all__ = ["strangler", "strangler_process"]

TOKEN, NEXT = "a" * 40, "b" * 40


def configuration(old: RecordingUpstream, new: RecordingUpstream) -> dict[str, Any]:
    return {
        "upstreams": {"old": {"endpoints": [old.url]}, "new": {"endpoints": [new.url]}},
        "default": "old",
        "store": {"url": "sqlite:///store.sqlite3"},
        "migrations": {
            "items": {
                "from": "old",
                "to": "new",
                "stage": "rollout",
                "rollout": {"gates": {"equivalence": {"enabled": False}}},
                "routes": [{"name": "all", "match": {"path": "/items/**"}}],
            }
        },
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "token").write_text(TOKEN + "\n")
    with RecordingUpstream("old") as old, RecordingUpstream("new") as new:
        running = GatewayProcess(folder, configuration(old, new), workers=2)
        tokens = {"ada": {"token": "file:token", "may": "operate"}}
        admin = {"listen": f"127.0.0.1:{running.admin_port}", "tokens": tokens}
        running.config["admin"] = admin
        with running:
            yield running


def url(gateway: GatewayProcess) -> str:
    return f"http://127.0.0.1:{gateway.admin_port}"


def order(gateway: GatewayProcess, token: str, **document: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(
        f"{url(gateway)}/rollouts/items/pause", json=document, headers=headers, trust_env=False, timeout=30
    )


def test_orders_of_the_command_line_are_carried_out(
    strangler: Strangler, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRANGLER_ADMIN_TOKEN", TOKEN)
    said = strangler("rollout", "pause", url(gateway), "items", "--reason", "sale")
    assert said.code == 0, said
    assert said.out.startswith("rollout of items: ")
    wait_for(lambda: "holding" in strangler("rollout", "status", url(gateway)).out, "the rollout to hold")
    assert "paused by ada: sale" in strangler("rollout", "status", url(gateway), "items").out
    assert "by ada" in strangler("rollout", "history", url(gateway), "items").out
    assert "rollout of items: holding" in strangler("status", url(gateway)).out
    said = strangler("rollout", "approve", url(gateway), "items")
    assert (said.code, "the next step needs no approval" in said.err) == (1, True)
    assert strangler("rollout", "resume", url(gateway), "items").code == 0
    assert strangler("freeze", url(gateway), "--reason", "sale").out.startswith("frozen: sale\n")
    assert strangler("rollout", "status", url(gateway)).out.startswith("frozen by ada since ")
    assert strangler("unfreeze", url(gateway)).out.startswith("rollouts go on\n")


def test_a_new_token_in_the_file_takes_effect_at_once(gateway: GatewayProcess) -> None:
    token = gateway.folder / "token"
    assert order(gateway, TOKEN).status_code == 200
    try:
        token.write_text(NEXT + "\n")
        wait_for(lambda: order(gateway, TOKEN).status_code == 401, "the old token to be refused")
        assert order(gateway, NEXT, reason="again").status_code == 200
    finally:
        token.write_text(TOKEN + "\n")
        wait_for(lambda: order(gateway, TOKEN).status_code == 200, "the first token to be accepted")
    assert NEXT not in gateway.events_text()
    assert TOKEN not in gateway.events_text()


def test_a_plan_is_weighed_by_the_traffic_of_the_running_gateway(
    strangler: Strangler, gateway: GatewayProcess, tmp_path: Path
) -> None:
    for path in ("/other",) * 6 + ("/items/1",) * 2:
        assert ask(gateway.port, path).status == 200
    file = tmp_path / "gateway.yaml"
    config = {**gateway.config, "default": "new", "admin": url(gateway).removeprefix("http://")}
    file.write_text(gateway.document(config))

    def planned() -> dict[str, Any]:
        found: dict[str, Any] = strangler("plan", url(gateway), file, "--json").json
        return found

    found = wait_for(lambda: (now := planned())["requests"] >= 8 and now, "the requests to be counted")
    (move,) = found["moves"]
    assert (move["route"], move["ways"]) == ("default", [{"from": "old", "to": "new", "share": 1.0}])
    assert found["moved_requests"] / found["requests"] == pytest.approx(0.75, abs=0.01)
    # All requests come from the same address.
    assert (found["callers"], found["moved_callers"]) == (1, 1)


def test_listening_beyond_loopback_without_a_token_is_refused(
    strangler_process: Strangler, gateway: GatewayProcess
) -> None:
    config = {key: value for key, value in gateway.config.items() if key != "admin"}
    file = gateway.folder / "open.yaml"
    file.write_text(gateway.document(config))
    said = strangler_process("run", file, "--admin", "0.0.0.0:0", "--listen", "127.0.0.1:0")
    assert said.code == 1
    assert said.err.startswith("strangler: can't start: the admin API at 0.0.0.0:0, beyond loopback, requires tokens")
