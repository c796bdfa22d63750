"""Notifications: sent again with growing pauses, dropped in the end, and never in the way of anything."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from strangler.control.rollouts import webhook
from strangler.control.rollouts.webhook import Notifier
from tests.control.rollouts.stage import PLAIN, Gateway, document, play, run

URL = "https://chat.example/hook/very-secret"
ENTRY = {"what": "failed", "migration": "m"}


async def sent(route: respx.Route, number: int) -> None:
    """Wait until so many requests were sent."""
    async with asyncio.timeout(20):
        while route.call_count < number:
            await asyncio.sleep(0.01)


def test_a_notification_is_sent_again_until_it_is_taken() -> None:
    async def test() -> None:
        notifier = Notifier(first_pause=0.01)
        with respx.mock as mocked, capture_logs() as logs:
            route = mocked.post(URL).mock(
                side_effect=[httpx.Response(500), httpx.ConnectError("refused"), httpx.Response(204)]
            )
            notifier.notify(URL, ENTRY)
            await sent(route, 3)
            assert json.loads(route.calls.last.request.content) == ENTRY
        await notifier.close()
        failures = [(log["event"], log["reason"], log["webhook"]) for log in logs]
        assert failures == [
            ("a notification failed", "status 500", "https://chat.example"),
            ("a notification failed", "ConnectError", "https://chat.example"),
        ]

    run(test)


def test_a_notification_is_given_up_and_the_next_one_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TRIES", 3)

    async def test() -> None:
        notifier = Notifier(first_pause=0.001)
        with respx.mock as mocked, capture_logs() as logs:
            route = mocked.post(URL).mock(side_effect=[httpx.Response(500)] * 3 + [httpx.Response(200)])
            notifier.notify(URL, ENTRY)
            notifier.notify(URL, {**ENTRY, "what": "resumed"})
            await sent(route, 4)
        await notifier.close()
        assert [log["event"] for log in logs if log["log_level"] == "error"] == ["a notification is given up"]
        assert "very-secret" not in str(logs)

    run(test)


def test_what_waits_for_a_webhook_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST_WAITING", 2)

    async def test() -> None:
        notifier = Notifier()
        with capture_logs() as logs:
            for number in range(4):
                notifier.notify(URL, {"what": str(number)})
        assert [log["what"] for log in logs] == ["0", "1"]
        await notifier.close()

    run(test)


def test_each_transition_is_notified_and_a_webhook_that_hangs_delays_none(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        taken = asyncio.Event()
        entries = []

        async def hang(request: httpx.Request) -> httpx.Response:
            entries.append(json.loads(request.content)["what"])
            taken.set()
            await asyncio.sleep(60)
            return httpx.Response(200)

        with respx.mock as mocked:
            mocked.post(URL).mock(side_effect=hang)
            await gateway.until("canary", "20")
            await asyncio.wait_for(taken.wait(), 20)
            await gateway.engine.notifier.close()
        assert entries == ["begun"]

    play(tmp_path / "gateway.yaml", test, document(PLAIN + f'\n      notify: {{webhook: "{URL}"}}'))
