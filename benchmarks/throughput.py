"""One job under load: all contenders up, measured in turn, round after round.

A contender that waits for its turn uses next to nothing, and CPU time is
counted by process. The order moves on by one each round, so that nobody always
runs after the same neighbour. Each measurement is preceded by a short warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.check import check
from benchmarks.load import Load, Wrk
from benchmarks.measure import cpu_seconds, machine_busy_seconds, rss_bytes
from benchmarks.origin import Origin
from benchmarks.peers import Contender
from benchmarks.processes import NotRunnable, Process
from benchmarks.workload import ROUTES, Credentials, Setting, targets
from tests.free_ports import free_ports

_WARM_UP = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender in one round.

    `cpu_us` is CPU microseconds a request over all its processes, `worker_cpu_us`
    of the one process that used most; `rss_mib` and `worker_rss_mib` likewise,
    after the load. `strangers` is the share of the machine that processes outside
    the benchmark used meanwhile, 0 to 1: where it is high the figures are worth less.
    """

    round: int
    load: Load
    requests_per_second: float
    cpu_us: float
    worker_cpu_us: float
    rss_mib: float
    worker_rss_mib: float
    strangers: float

    def text(self) -> str:
        """One line for a person who watches."""
        return (
            f"{self.requests_per_second:8.0f} requests/s {self.cpu_us:7.1f} µs"
            f"  p50 {self.load.p50_ms:.2f} ms  p99 {self.load.p99_ms:.2f} ms  {self.rss_mib:.0f} MiB"
            f"  (others used {100 * self.strangers:.0f} %)"
        )


@dataclass(slots=True)
class Outcome:
    """What came of one contender in one job: samples, or the reason why there are none."""

    name: str
    version: str = ""
    reason: str = ""
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bench:
    """What all jobs of a run share. `say` prints a line of progress."""

    directory: Path
    origin: Origin
    credentials: Credentials
    wrk: Wrk
    cores: int
    say: Callable[[str], None]

    def start(self, stack: ExitStack, contender: Contender, job: str, routes: int = ROUTES) -> Contestant:
        """Start and check a contender; `stack` ends it. Raises NotRunnable with the reason."""
        contender.version()
        listening, admin = free_ports(2)
        directory = self.directory / f"{job}-{routes}-{listening}"
        directory.mkdir()
        setting = Setting(
            job=job,
            directory=directory,
            port=listening,
            admin_port=admin,
            legacy_port=self.origin.legacy_port,
            extracted_port=self.origin.extracted_port,
            credentials=self.credentials,
            routes=routes,
        )
        launch = contender.launch(setting)
        process = stack.enter_context(Process(contender.name, launch.command, directory))
        process.wait_ready(launch.ready_url)
        check(setting, process)
        return Contestant(setting, process)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A contender that runs and does its job."""

    setting: Setting
    process: Process


def compete(
    bench: Bench, entries: Sequence[tuple[str, Contender, int]], job: str, rounds: int, seconds: float
) -> list[Outcome]:
    """Measure every (label, contender, number of routes) of `entries` in the same rounds."""
    outcomes: list[Outcome] = []
    running: list[tuple[Outcome, Contestant]] = []
    with ExitStack() as stack:
        for label, contender, routes in entries:
            outcome = Outcome(label)
            outcomes.append(outcome)
            try:
                outcome.version = contender.version()
                running.append((outcome, bench.start(stack, contender, job, routes)))
            except NotRunnable as error:
                outcome.reason = str(error)
                bench.say(f"{job}: {label}: not runnable: {error}")
        for number in range(rounds):
            shift = number % max(1, len(running))
            for outcome, contestant in running[shift:] + running[:shift]:
                if outcome.reason:
                    continue
                try:
                    sample = _measure(bench, contestant, number, seconds)
                except NotRunnable as error:
                    outcome.reason = str(error)
                    bench.say(f"{job}: {outcome.name}: given up: {error}")
                    continue
                outcome.samples.append(sample)
                bench.say(f"{job} {number + 1}/{rounds}: {outcome.name:<18} {sample.text()}")
    return outcomes


def _measure(bench: Bench, contestant: Contestant, number: int, seconds: float) -> Sample:
    setting, process = contestant.setting, contestant.process
    token = bench.credentials.token() if setting.job == "full" else None
    asked = targets(setting.routes)
    bench.wrk.run(setting.url, asked, token, _WARM_UP)
    ours = [*process.pids(), *bench.origin.process.pids()]
    busy, before = machine_busy_seconds(), cpu_seconds(ours)
    load = bench.wrk.run(setting.url, asked, token, seconds)
    after, busy = cpu_seconds(ours), machine_busy_seconds() - busy
    used = {pid: after[pid] - before[pid] for pid in before if pid in after}
    pids = process.pids()
    if not set(pids) <= used.keys() or len(used) != len(ours):
        raise NotRunnable(f"a process came or went under load: {process.last_words()}")
    if load.refused or load.broken or not load.requests:
        raise NotRunnable(f"{load.refused} refused and {load.broken} broken of {load.requests} requests")
    process.trim_logs()
    proxy = sum(used[pid] for pid in pids)
    worker = max(pids, key=lambda pid: used[pid])
    strangers = busy - sum(used.values()) - load.own_cpu_seconds
    return Sample(
        round=number,
        load=load,
        requests_per_second=load.requests / load.seconds,
        cpu_us=1e6 * proxy / load.requests,
        worker_cpu_us=1e6 * used[worker] / load.requests,
        rss_mib=rss_bytes(pids) / 2**20,
        worker_rss_mib=rss_bytes([worker]) / 2**20,
        strangers=max(0.0, strangers / (load.seconds * bench.cores)),
    )
