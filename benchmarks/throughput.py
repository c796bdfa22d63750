"""One row under load: all contenders up, measured in turn, round after round.

A contender that waits for its turn uses next to nothing, and CPU time is
counted by process. The order moves on by one each round, so that none always
runs after the same neighbour. Each measurement is preceded by a short warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.check import check
from benchmarks.load import CONNECTIONS, Load, Wrk
from benchmarks.measure import cpu_seconds, machine_busy_seconds, rss_bytes
from benchmarks.origin import Origin
from benchmarks.peers import Contender
from benchmarks.processes import NotRunnable, Process
from benchmarks.traffic import Traffic, plain, prepare
from benchmarks.workload import ROUTES, Certificate, Credentials, Setting, targets
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
    """What came of one contender in one row: samples, or the reason why there are none."""

    name: str
    version: str = ""
    reason: str = ""
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender in a row, with the name that the table gives it."""

    label: str
    contender: Contender
    routes: int = ROUTES


@dataclass(frozen=True, slots=True)
class Row:
    """What is measured together: who takes part in which job, and what is sent.

    `job` is that of the contenders' settings. Without `traffic` a GET of each route is sent, with a token in the full
    job. Where `paced_by` names a contender, each connection pauses so that all get half of the requests/s that this
    one serves at most.
    """

    name: str
    job: str
    entries: Sequence[Entry]
    traffic: Traffic | None = None
    paced_by: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all rows of a run share. `say` prints a line of progress."""

    directory: Path
    origin: Origin
    credentials: Credentials
    certificate: Certificate
    wrk: Wrk
    cores: int
    say: Callable[[str], None]

    def start(self, stack: ExitStack, row: Row, entry: Entry) -> Contestant:
        """Start and check a contender; `stack` ends it. Raises NotRunnable with the reason."""
        contender = entry.contender
        contender.version()
        listening, admin = free_ports(2)
        directory = self.directory / f"{row.name}-{entry.routes}-{listening}"
        directory.mkdir()
        setting = Setting(
            job=row.job,
            directory=directory,
            port=listening,
            admin_port=admin,
            legacy_port=self.origin.legacy_port,
            extracted_port=self.origin.extracted_port,
            credentials=self.credentials,
            routes=entry.routes,
            certificate=self.certificate if row.traffic is not None and row.traffic.tls else None,
        )
        launch = contender.launch(setting)
        process = stack.enter_context(Process(contender.name, launch.command, directory))
        process.wait_ready(launch.ready_url)
        check(setting, process, contender.full_job)
        return Contestant(setting, process)

    def prepared(self, row: Row, routes: int) -> Path:
        """The file with the requests of a row to contenders with so many routes, which is written once."""
        path = self.directory / f"{row.name}-{routes}.requests"
        if path.is_file():
            return path
        if row.traffic is not None:
            return prepare(row.traffic, self.credentials, routes, path)
        return plain(targets(routes), self.credentials.token() if row.job in ("full", "shadow") else None, path)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A contender that runs and does its job."""

    setting: Setting
    process: Process


def compete(bench: Bench, row: Row, rounds: int, seconds: float) -> list[Outcome]:
    """Measure every contender of `row` in the same rounds."""
    outcomes: list[Outcome] = []
    running: list[tuple[Outcome, Contestant, Path]] = []
    with ExitStack() as stack:
        for entry in row.entries:
            outcome = Outcome(entry.label)
            outcomes.append(outcome)
            try:
                outcome.version = entry.contender.version()
                running.append((outcome, bench.start(stack, row, entry), bench.prepared(row, entry.routes)))
            except NotRunnable as error:
                outcome.reason = str(error)
                bench.say(f"{row.name}: {entry.label}: not runnable: {error}")
        pause_ms = _pause(bench, row, running, seconds)
        for number in range(rounds):
            shift = number % max(1, len(running))
            for outcome, contestant, prepared in running[shift:] + running[:shift]:
                if outcome.reason:
                    continue
                try:
                    sample = _measure(bench, contestant, _Shot(number, prepared, seconds, pause_ms))
                except NotRunnable as error:
                    outcome.reason = str(error)
                    bench.say(f"{row.name}: {outcome.name}: given up: {error}")
                    continue
                outcome.samples.append(sample)
                bench.say(f"{row.name} {number + 1}/{rounds}: {outcome.name:<18} {sample.text()}")
    return outcomes


def _pause(bench: Bench, row: Row, running: Sequence[tuple[Outcome, Contestant, Path]], seconds: float) -> float | None:
    """Milliseconds between two requests of a connection; None where the row is not paced, or that one is missing."""
    for outcome, contestant, prepared in running:
        if outcome.name == row.paced_by:
            bench.wrk.run(contestant.setting.url, prepared, _WARM_UP)
            most = bench.wrk.run(contestant.setting.url, prepared, seconds)
            contestant.process.trim_logs()
            half = most.requests / most.seconds / 2
            bench.say(f"{row.name}: {outcome.name} serves {2 * half:.0f} requests/s at most; all get half of that")
            # A connection also waits for its response, which takes little of the time at half of the load.
            return 1000 * CONNECTIONS / half
    return None


@dataclass(frozen=True, slots=True)
class _Shot:
    """How to measure once: in which round, by what load."""

    round: int
    prepared: Path
    seconds: float
    pause_ms: float | None


def _measure(bench: Bench, contestant: Contestant, shot: _Shot) -> Sample:
    setting, process = contestant.setting, contestant.process
    bench.wrk.run(setting.url, shot.prepared, _WARM_UP, shot.pause_ms)
    ours = [*process.pids(), *bench.origin.process.pids()]
    busy, before = machine_busy_seconds(), cpu_seconds(ours)
    load = bench.wrk.run(setting.url, shot.prepared, shot.seconds, shot.pause_ms)
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
        round=shot.round,
        load=load,
        requests_per_second=load.requests / load.seconds,
        cpu_us=1e6 * proxy / load.requests,
        worker_cpu_us=1e6 * used[worker] / load.requests,
        rss_mib=rss_bytes(pids) / 2**20,
        worker_rss_mib=rss_bytes([worker]) / 2**20,
        strangers=max(0.0, strangers / (load.seconds * bench.cores)),
    )
