"""Notifications of what happens to rollouts: a POST with the audit entry to the webhook of its migration.

They wait in a queue of their own, so that a webhook that is slow or away delays
nothing. Each is sent again with growing pauses, and given up after TRIES.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import structlog

from strangler.control.rollouts.views import AuditDocument

log = structlog.get_logger(part="rollouts")

DEADLINE = 10.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
TRIES = 12
"""About eight minutes."""
MOST_WAITING = 200


class _Notification(NamedTuple):
    url: str
    entry: AuditDocument


class Notifier:
    """Sends notifications, one at a time for each webhook."""

    def __init__(self, first_pause: float = FIRST_PAUSE) -> None:
        self._first_pause = first_pause
        self._waiting: dict[str, deque[_Notification]] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    def notify(self, url: str, entry: AuditDocument) -> None:
        """Have `entry` sent to `url`; the oldest is dropped where too many wait."""
        waiting = self._waiting.setdefault(url, deque())
        if len(waiting) >= MOST_WAITING:
            dropped = waiting.popleft()
            log.error("a notification is dropped, too many wait", webhook=_place(url), what=dropped.entry["what"])
        waiting.append(_Notification(url, entry))
        if url not in self._sending:
            task = self._sending[url] = asyncio.create_task(self._send_all(url, waiting))
            task.add_done_callback(lambda _: self._sending.pop(url, None))

    async def close(self) -> None:
        """Send no more."""
        for task in list(self._sending.values()):
            task.cancel()
        if self._sending:
            await asyncio.wait(list(self._sending.values()))

    async def _send_all(self, url: str, waiting: deque[_Notification]) -> None:
        async with httpx.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
            while waiting:
                await self._send(client, waiting.popleft())

    async def _send(self, client: httpx.AsyncClient, notification: _Notification) -> None:
        pause = self._first_pause
        for attempt in range(1, TRIES + 1):
            failure = await _post(client, notification)
            if failure is None:
                return
            log.warning("a notification failed", webhook=_place(notification.url), attempt=attempt, reason=failure)
            if attempt < TRIES:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        what = notification.entry["what"]
        log.error("a notification is given up", webhook=_place(notification.url), attempts=TRIES, what=what)


async def _post(client: httpx.AsyncClient, notification: _Notification) -> str | None:
    """Why the notification was not taken; None if it was."""
    try:
        async with asyncio.timeout(DEADLINE):
            response = await client.post(notification.url, json=notification.entry)
    except TimeoutError:
        return f"no response within {DEADLINE:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return None if response.is_success else f"status {response.status_code}"


def _place(url: str) -> str:
    """The scheme and host: the path of a webhook is often a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"
