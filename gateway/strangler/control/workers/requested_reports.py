"""Reports that the control process requests, so that metrics and status are as new as the request for them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection
from dataclasses import dataclass, field

import structlog

from strangler.control import messages
from strangler.control.workers.handle import WorkerHandle

log = structlog.get_logger(part="workers")

DEADLINE = 0.5
"""Seconds to wait for the workers' reports."""


@dataclass(slots=True)
class _Request:
    missing: set[WorkerHandle]
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class RequestedReports:
    """Each request has a ticket, which the workers' reports repeat."""

    def __init__(self) -> None:
        self._tickets = itertools.count(1)
        self._requests: dict[int, _Request] = {}

    async def request(self, workers: Collection[WorkerHandle]) -> None:
        """Have `workers` report, and wait for that, at most DEADLINE seconds."""
        if not workers:
            return
        ticket = next(self._tickets)
        request = self._requests[ticket] = _Request(set(workers))
        for worker in workers:
            worker.send(messages.ReportNow(ticket))
        try:
            async with asyncio.timeout(DEADLINE):
                await request.complete.wait()
        except TimeoutError:
            log.warning("workers did not report in time", workers=sorted(worker.number for worker in request.missing))
        finally:
            del self._requests[ticket]

    def reported(self, ticket: int, worker: WorkerHandle) -> None:
        """`worker` has reported for `ticket`; 0 is no request's."""
        request = self._requests.get(ticket)
        if request is not None:
            request.missing.discard(worker)
            if not request.missing:
                request.complete.set()

    def ended(self, worker: WorkerHandle) -> None:
        """`worker` has ended, and will not report."""
        for ticket in list(self._requests):
            self.reported(ticket, worker)
