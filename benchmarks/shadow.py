"""What shadowing costs callers: nothing copied, every GET copied, every GET copied to a side that is dead.

At full load a copy costs throughput, whatever it is done with, so callers come
at a steady rate below it: what is compared is their p99 and the worker's CPU a
request. The judge has a process of its own, and its CPU is shown beside.

A shared machine takes the processor away for milliseconds now and then, which a
p99 shows. So there are many short measurements, the variants in turn, and what
is compared are the medians over all of them.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.measure import cpu_seconds
from benchmarks.peers import Contender
from benchmarks.processes import NotRunnable
from benchmarks.throughput import Bench, Contestant, Entry, Row
from benchmarks.workload import ROUTES

PAUSE_MS = 48
"""Milliseconds that each of wrk's 64 connections waits between two requests: about 1,300 requests/s."""

SECONDS = 2.0
"""Of one measurement."""

SLICES = 3
"""So many measurements of a variant for each round of the other jobs."""

_WARM_UP = 0.5
# The judge reports every two seconds.
_SETTLING = 2.5
_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class ShadowSample:
    """One measurement of a variant; CPU in microseconds a request."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    worker_cpu_us: float
    judge_cpu_us: float

    def text(self) -> str:
        """One line for a person who watches."""
        return (
            f"{self.requests_per_second:6.0f} requests/s  p50 {self.p50_ms:.2f} ms  p99 {self.p99_ms:.2f} ms"
            f"  worker {self.worker_cpu_us:.1f} µs  judge {self.judge_cpu_us:.1f} µs"
        )


@dataclass(slots=True)
class ShadowOutcome:
    """What came of one variant: samples, or the reason why there are none; `compared` is a share of all requests."""

    name: str
    reason: str = ""
    compared: float = 0.0
    samples: list[ShadowSample] = field(default_factory=list)

    def middle(self, figure: str) -> float | None:
        """The median of a figure over the rounds."""
        return median(getattr(sample, figure) for sample in self.samples) if self.samples else None


def shadow(bench: Bench, contenders: Sequence[Contender], rounds: int) -> list[ShadowOutcome]:
    """Measure the variants in turn; the first is the one that copies nothing."""
    outcomes = [ShadowOutcome(contender.name) for contender in contenders]
    running: list[tuple[ShadowOutcome, Contestant]] = []
    row = Row("shadow", "shadow", [])
    prepared = bench.prepared(row, ROUTES)
    with ExitStack() as stack:
        for outcome, contender in zip(outcomes, contenders, strict=True):
            try:
                running.append((outcome, bench.start(stack, row, Entry(contender.name, contender))))
            except NotRunnable as error:
                outcome.reason = str(error)
                bench.say(f"shadow: {outcome.name}: not runnable: {error}")
        asked = dict.fromkeys((outcome.name for outcome in outcomes), 0)
        for number in range(rounds * SLICES):
            shift = number % max(1, len(running))
            for outcome, contestant in running[shift:] + running[:shift]:
                if not outcome.reason:
                    try:
                        warm_up, sample = _measure(bench, contestant, prepared)
                    except NotRunnable as error:
                        outcome.reason = str(error)
                        continue
                    asked[outcome.name] += warm_up + sample.requests
                    outcome.samples.append(sample)
                    bench.say(f"shadow {number + 1}/{rounds * SLICES}: {outcome.name:<16} {sample.text()}")
        for outcome, contestant in running:
            if outcome.samples and not outcome.reason:
                outcome.compared = _judged(contestant.setting.admin_port) / asked[outcome.name]
    return outcomes


def ratio(one: ShadowOutcome, other: ShadowOutcome, figure: str) -> float | None:
    """The median of one variant's figure beside that of the other's."""
    ours, theirs = one.middle(figure), other.middle(figure)
    return ours / theirs if ours is not None and theirs else None


def _measure(bench: Bench, contestant: Contestant, prepared: Path) -> tuple[int, ShadowSample]:
    """How many requests there were before the measurement, and what it says."""
    setting, process = contestant.setting, contestant.process
    warm_up = bench.wrk.run(setting.url, prepared, _WARM_UP, PAUSE_MS)
    worker, judge = (
        _running(process.pids(), module)
        for module in ("strangler.control.workers.main", "strangler.control.judge.main")
    )
    before = cpu_seconds([*worker, *judge])
    load = bench.wrk.run(setting.url, prepared, SECONDS, PAUSE_MS)
    after = cpu_seconds([*worker, *judge])
    if load.refused or load.broken or not load.requests:
        raise NotRunnable(f"{load.refused} refused and {load.broken} broken of {load.requests} requests")
    process.trim_logs()

    def microseconds(pids: list[int]) -> float:
        return 1e6 * sum(after[pid] - before[pid] for pid in pids if pid in after) / load.requests

    return warm_up.requests, ShadowSample(
        requests=load.requests,
        requests_per_second=load.requests / load.seconds,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        worker_cpu_us=microseconds(worker),
        judge_cpu_us=microseconds(judge),
    )


def _running(pids: Sequence[int], module: str) -> list[int]:
    return [pid for pid in pids if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


def _judged(admin_port: int) -> int:
    """How many pairs were compared so far, once the judge has caught up."""
    before = -1
    for _ in range(_PATIENCE):
        pairs = _pairs(admin_port)
        if pairs == before:
            break
        before = pairs
        time.sleep(_SETTLING)
    return before


def _pairs(admin_port: int) -> int:
    """How many pairs were compared so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/status", timeout=5) as response:
        shadows = json.load(response)["shadow"].get("migrations", {})
    return sum(found["match"] + found["ignored"] + found["mismatch"] for found in shadows.values())
