"""Kill the orders service between two lines of its code, let another process take over, and say where it was.

    python -m tests.extracted.crashing KILLS

The environment is the orders service's. One process forks another for each kill, so that nothing is imported twice. The
forked one counts the lines that it runs of the modules in `WITH_EFFECTS`, in all of its threads, and kills itself with
SIGKILL before one of them: no handler runs, no connection is closed, no transaction ended. Lines of other modules only
compute; a kill there leaves what a kill at their caller's line leaves. Then a second process takes on unfinished sagas
until there are none. Each kill is a line of JSON on standard output; the next one waits for a line on standard input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from orders_service import app
from orders_service.events import Item, OrderPlaced
from orders_service.saga_store import due_sagas
from orders_service.settings import Settings, read_settings

WITH_EFFECTS = (
    "database",
    "event_store",
    "outbox",
    "read_model",
    "relay",
    "saga_runner",
    "saga_store",
    "sagas",
    "service_client",
    "steps",
)
CODE = frozenset(str(Path(app.__file__).with_name(f"{module}.py")) for module in WITH_EFFECTS)
CUSTOMERS = 3
"""At the same time."""
METHODS = ("card", "card-declined", "card-lost")


async def shopping(settings: Settings) -> None:
    """Customers who order and pay at once."""
    service = app.Service(settings)
    async with service.running():

        async def buy(number: int) -> None:
            ordered = tuple(Item(product, f"BOO-{product}", f"Book {product}", 2, 1000) for product in (number + 1, 9))
            saga = await service.sagas.place(OrderPlaced(1, ordered, datetime.now(UTC)))
            await service.sagas.pay(saga.id, METHODS[number])

        await asyncio.gather(*map(buy, range(CUSTOMERS)))


async def recovering(settings: Settings) -> None:
    """Take on what is left until nothing is."""
    service = app.Service(settings)
    async with service.running():
        # What waits for its customer has a deadline far away.
        while await service.database.read(partial(due_sagas, limit=1)) or await service.database.read(_leased):
            await asyncio.sleep(0.01)


def _leased(connection: Any) -> bool:
    final = "('awaiting_payment', 'completed', 'cancelled')"
    return bool(connection.exec_driver_sql(f"SELECT COUNT(*) FROM sagas WHERE state NOT IN {final}").scalar())


class LineCounter:
    """Traces the lines of the orders service; ends the process before line number `last`, if there is one."""

    def __init__(self, last: int, report: int) -> None:
        self.count = 0
        self._last = last
        self._report = report

    def install(self) -> None:
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if frame.f_code.co_filename in CODE else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self._last:
                place = {"file": Path(frame.f_code.co_filename).stem, "function": frame.f_code.co_name}
                os.write(self._report, json.dumps(place | {"line": frame.f_lineno}).encode())
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def forked(work: Any, last: int = 0, *, traced: bool = True) -> dict[str, Any]:
    """What a forked process reports: where it was killed, or how many lines it ran."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        counter = LineCounter(last, writing)
        try:
            if traced:
                counter.install()
            asyncio.run(work)
            sys.settrace(None)
            os.write(writing, json.dumps({"lines": counter.count}).encode())
        finally:
            os._exit(0)
    work.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as report:
        found: dict[str, Any] = json.loads(report.read() or b"{}")
    os.waitpid(child, 0)
    return found


def main(kills: int) -> None:
    """Kill at so many places, evenly over all lines that customers' orders run."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = read_settings(os.environ)
    lines = forked(shopping(settings))["lines"]
    forked(recovering(settings), traced=False)
    for number in range(1, kills + 1):
        killed = forked(shopping(settings), number * lines // (kills + 1))
        while "lines" in killed:  # this time the customers needed fewer
            killed = forked(shopping(settings), killed["lines"] * 9 // 10)
        forked(recovering(settings), traced=False)
        print(json.dumps(killed), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(int(sys.argv[1]))
