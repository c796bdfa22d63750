"""What shadowing costs callers: nothing copied, every GET copied, every GET copied to a side that is dead.

At full load a copy costs throughput, whatever it is done with, so callers come
at a steady rate below it: what is compared is their p99 and the worker's CPU a
request. The judge has a process of its own, and its CPU is shown beside.
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
from benchmarks.throughput import Bench, Contestant
from benchmarks.workload import targets

PAUSE_MS = 48
"""Milliseconds that each of wrk's 64 connections waits between two requests: about 1,300 requests/s."""

_WARM_UP = 2.0
# The judge reports once a second.
_SETTLING = 2.5
_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class ShadowSample:
    """One variant in one round; CPU in microseconds a request, `compared` is the share that was compared."""

    round: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    worker_cpu_us: float
    judge_cpu_us: float
    compared: float

    def text(self) -> str:
        """One line for a person who watches."""
        return (
            f"{self.requests_per_second:6.0f} requests/s  p50 {self.p50_ms:.2f} ms  p99 {self.p99_ms:.2f} ms"
            f"  worker {self.worker_cpu_us:.1f} µs  judge {self.judge_cpu_us:.1f} µs"
            f"  {100 * self.compared:.0f} % compared"
        )


@dataclass(slots=True)
class ShadowOutcome:
    """What came of one variant: samples, or the reason why there are none."""

    name: str
    reason: str = ""
    samples: list[ShadowSample] = field(default_factory=list)

    def middle(self, figure: str) -> float | None:
        """The median of a figure over the rounds."""
        return median(getattr(sample, figure) for sample in self.samples) if self.samples else None


def shadow(bench: Bench, contenders: Sequence[Contender], rounds: int, seconds: float) -> list[ShadowOutcome]:
    """Measure the variants in the same rounds; the first is the one that copies nothing."""
    outcomes = [ShadowOutcome(contender.name) for contender in contenders]
    running: list[tuple[ShadowOutcome, Contestant]] = []
    with ExitStack() as stack:
        for outcome, contender in zip(outcomes, contenders, strict=True):
            try:
                running.append((outcome, bench.start(stack, contender, "shadow")))
            except NotRunnable as error:
                outcome.reason = str(error)
                bench.say(f"shadow: {outcome.name}: not runnable: {error}")
        for number in range(rounds):
            shift = number % max(1, len(running))
            for outcome, contestant in running[shift:] + running[:shift]:
                if not outcome.reason:
                    try:
                        sample = _measure(bench, contestant, number, seconds)
                    except NotRunnable as error:
                        outcome.reason = str(error)
                        continue
                    outcome.samples.append(sample)
                    bench.say(f"shadow {number + 1}/{rounds}: {outcome.name:<16} {sample.text()}")
    return outcomes


def ratio(one: ShadowOutcome, other: ShadowOutcome, figure: str) -> float | None:
    """The median over the rounds of one variant's figure beside the other's in the same round."""
    others = {sample.round: getattr(sample, figure) for sample in other.samples}
    ratios = [getattr(sample, figure) / others[sample.round] for sample in one.samples if sample.round in others]
    return median(ratios) if ratios else None


def _measure(bench: Bench, contestant: Contestant, number: int, seconds: float) -> ShadowSample:
    setting, process = contestant.setting, contestant.process
    token, asked = bench.credentials.token(), targets(setting.routes)
    bench.wrk.run(setting.url, asked, token, _WARM_UP, PAUSE_MS)
    worker, judge = (_running(process.pids(), module) for module in ("gateway.control.worker", "gateway.control.judge"))
    pairs = _judged(setting.admin_port)
    before = cpu_seconds([*worker, *judge])
    load = bench.wrk.run(setting.url, asked, token, seconds, PAUSE_MS)
    judged = _judged(setting.admin_port)
    after = cpu_seconds([*worker, *judge])
    if load.refused or load.broken or not load.requests:
        raise NotRunnable(f"{load.refused} refused and {load.broken} broken of {load.requests} requests")
    process.trim_logs()

    def microseconds(pids: list[int]) -> float:
        return 1e6 * sum(after[pid] - before[pid] for pid in pids if pid in after) / load.requests

    return ShadowSample(
        round=number,
        requests_per_second=load.requests / load.seconds,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        worker_cpu_us=microseconds(worker),
        judge_cpu_us=microseconds(judge),
        compared=(judged - pairs) / load.requests,
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
