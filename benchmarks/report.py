"""From outcomes to RESULTS.md and results.json: medians, spreads, ratios, goals."""

# The table is for people: × and – are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Machine
from benchmarks.peers import GATEWAY
from benchmarks.peers.envoy import CACHED
from benchmarks.peers.haproxy import HAPROXY
from benchmarks.peers.nginx import NGINX
from benchmarks.shadow import ShadowOutcome, ratio
from benchmarks.stream import StreamOutcome
from benchmarks.throughput import Outcome, Sample
from benchmarks.traffic import JOB, TRAFFIC

BESIDE_PEERS = {
    "same": (0.65, 0.70),
    "users": (0.82, 0.80),
    "post": (0.85, 0.82),
    "heads": (0.85, 0.82),
    "close": (1.15, 0.95),
    "big": (1.05, 1.00),
    "cold": (2.5, 1.2),
    "tls": (1.0, 0.9),
}
"""Most CPU a request by row, beside HAProxy with `jwt_verify` and beside Envoy with its cache of tokens."""
BARE_OVER_NGINX = 1.6
ROUTES_APART = 1.1
FAILURES_IDLE = 1.05
P99_OVER_HAPROXY = 1.2
TWO_WORKERS = 1.7
STREAM_GROWTH_MIB = 16.0
SHADOW_P99 = 1.2
SHADOW_CPU = 2.0
DEAD_P99 = 1.1

_TITLES = {
    "bare": "Bare proxying",
    **{name: f"{name}: {traffic.title}" for name, traffic in TRAFFIC.items()},
    "p99": "p99: users, at half of the requests/s that HAProxy serves at most",
    "workers": "workers: users, on two cores that load generator and origin share",
    "routes": "Number of routes: this gateway, full job",
    "failures": "What is configured against failures and has nothing to do: this gateway, full job",
}
_AMONG_OURSELVES = ("workers", "routes", "failures")


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what lies around it."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """The spread of `values`, None where there are none."""
        listed = list(values)
        return cls(median(listed), min(listed), max(listed)) if listed else None

    def text(self, digits: int) -> str:
        """Like `33.1 (31.0–40.2)`."""
        return f"{self.middle:,.{digits}f} ({self.least:,.{digits}f}–{self.most:,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Goal:
    """A promise and what was measured; `value` is None where it could not be.

    With `at_least` the value may not be below the limit, else not above it.
    """

    what: str
    limit: float
    value: float | None
    unit: str = "×"
    at_least: bool = False

    def met(self) -> bool | None:
        """None where nothing was measured."""
        if self.value is None:
            return None
        # As it is printed: a limit of 1.1 is met by 1.104.
        value = round(self.value, 2)
        return value >= self.limit if self.at_least else value <= self.limit

    def row(self) -> str:
        """One line of the table of goals."""
        verdict = {None: "not measured", True: "met", False: "**missed**"}[self.met()]
        value = "–" if self.value is None else f"{self.value:.2f} {self.unit}"
        return f"| {self.what} | {'≥' if self.at_least else '≤'} {self.limit:g} {self.unit} | {value} | {verdict} |"


@dataclass(frozen=True, slots=True)
class Results:
    """All that a run found out. `rows` are those under load at full speed, by name; `gateway` is how this one ran."""

    date: str
    machine: Machine
    versions: dict[str, str]
    rounds: int
    seconds: float
    rows: dict[str, list[Outcome]]
    gateway: str
    streams: list[StreamOutcome] | None
    shadows: list[ShadowOutcome] | None = None
    notes: str = ""


def cpu_ratio(ours: Outcome, theirs: Outcome) -> Spread | None:
    """Our CPU a request over theirs, each round's with that round's, as the machine changes meanwhile."""
    return _in_rounds(ours, theirs, lambda sample: sample.cpu_us)


def _in_rounds(one: Outcome, other: Outcome, figure: Callable[[Sample], float]) -> Spread | None:
    beside = {sample.round: figure(sample) for sample in other.samples}
    return Spread.of(figure(sample) / beside[sample.round] for sample in one.samples if sample.round in beside)


def goals(results: Results) -> list[Goal]:
    """All promises; those of rows that were not run are not measured."""

    def ratio(row: str, peer: str) -> float | None:
        spread = _ratio_to(results.rows.get(row, []), peer)
        return None if spread is None else spread.middle

    listed = []
    for row, (haproxy, envoy) in BESIDE_PEERS.items():
        listed.append(Goal(f"{row}: CPU beside HAProxy `jwt_verify`", haproxy, ratio(row, HAPROXY.name)))
        listed.append(Goal(f"{row}: CPU beside Envoy with its cache", envoy, ratio(row, CACHED.name)))
    listed += [
        Goal("bare proxying, CPU beside nginx", BARE_OVER_NGINX, ratio("bare", NGINX.name)),
        Goal("10, 100 and 1,000 routes, dearest beside cheapest", ROUTES_APART, _routes_apart(results)),
    ]
    with_all = results.rows.get("failures", [])
    beside = cpu_ratio(with_all[1], with_all[0]) if len(with_all) > 1 else None
    what = "health checks, breakers, limits, deadlines, retries, fallback idle, beside none"
    listed += [
        Goal(what, FAILURES_IDLE, None if beside is None else beside.middle),
        Goal("users at half of HAProxy's most, p99 beside HAProxy", P99_OVER_HAPROXY, _p99_ratio(results)),
        Goal("two workers beside one", TWO_WORKERS, _workers_ratio(results), at_least=True),
    ]
    ours = [each for each in results.streams or [] if each.name == GATEWAY.name and not each.reason]
    mib = ours[0].mib if ours else 1024
    growth = {"up": ours[0].up_mib, "down": ours[0].down_mib} if ours else {"up": None, "down": None}
    for way, grown in growth.items():
        listed.append(Goal(f"{mib} MiB {way}, slow reader, growth", STREAM_GROWTH_MIB, grown, "MiB"))
    return listed + _shadow_goals(results.shadows or [])


def _shadow_goals(shadows: Sequence[ShadowOutcome]) -> list[Goal]:
    """What shadowing may cost, beside the variant that copies nothing, which is the first."""

    def beside(place: int, figure: str) -> float | None:
        return ratio(shadows[place], shadows[0], figure) if len(shadows) > place else None

    return [
        Goal("all GETs shadowed, callers' p99", SHADOW_P99, beside(1, "p99_ms")),
        Goal("all GETs shadowed, worker's CPU a request", SHADOW_CPU, beside(1, "worker_cpu_us")),
        Goal("candidate dead, callers' p99", DEAD_P99, beside(2, "p99_ms")),
    ]


def markdown(results: Results) -> str:
    """RESULTS.md."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()))
    parts = [
        "# Benchmark results",
        "Written by `make bench`; README.md beside this file says how to read it.",
        f"- Date: {results.date}\n"
        f"- Machine: {machine.cpu}, {machine.cores} cores, {machine.memory_mib} MiB, {machine.system}, "
        f"kernel {machine.kernel}\n"
        f"- Python: {machine.python}, built {machine.python_build}\n"
        f"- This gateway: {results.gateway}\n"
        f"- Versions: {versions}\n"
        f"- {results.rounds} rounds of {results.seconds:g} s, wrk with one thread and 64 connections; "
        "median (least–most) over the rounds\n" + _strangers(results),
        f"Rows named in lower case are the full job: {JOB}.",
        "## Goals",
        _table(["goal", "limit", "measured", "verdict"], [goal.row() for goal in goals(results)]),
    ]
    for row, outcomes in results.rows.items():
        parts += [f"## {_TITLES[row]}", _throughput_table(row, outcomes), *_missing(outcomes)]
    if results.shadows is not None:
        parts += ["## Shadowing: callers at a steady rate", _shadow_table(results.shadows)]
        parts += _missing(results.shadows)
    if results.streams is not None:
        parts += ["## Large bodies with a slow reader", _stream_table(results.streams)]
        parts += _missing(results.streams)
    if results.notes:
        parts.append(results.notes.strip())
    return "\n\n".join(parts) + "\n"


def write(results: Results, directory: Path) -> None:
    """Write RESULTS.md and results.json into `directory`, which is made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "RESULTS.md").write_text(markdown(results))
    figures = dataclasses.asdict(results)
    del figures["notes"]
    figures["goals"] = [dataclasses.asdict(goal) | {"met": goal.met()} for goal in goals(results)]
    (directory / "results.json").write_text(json.dumps(figures, indent=1) + "\n")


def _ours(outcomes: Sequence[Outcome]) -> Outcome | None:
    return next((each for each in outcomes if each.name == GATEWAY.name), None)


def _ratio_to(outcomes: Sequence[Outcome], peer: str) -> Spread | None:
    ours, theirs = _ours(outcomes), next((each for each in outcomes if each.name == peer), None)
    return cpu_ratio(ours, theirs) if ours and theirs else None


def _routes_apart(results: Results) -> float | None:
    outcomes = results.rows.get("routes", [])
    if not outcomes or not all(each.samples for each in outcomes):
        return None
    # Over all pairs, as the medians of ratios within a round need not be ordered like the medians.
    ratios = [cpu_ratio(one, other) for one in outcomes for other in outcomes if one is not other]
    return max(ratio.middle for ratio in ratios if ratio)


def _p99_ratio(results: Results) -> float | None:
    outcomes = results.rows.get("p99", [])
    ours, theirs = _ours(outcomes), next((each for each in outcomes if each.name == HAPROXY.name), None)
    if ours is None or theirs is None:
        return None
    beside = _in_rounds(ours, theirs, lambda sample: sample.load.p99_ms)
    return None if beside is None else beside.middle


def _workers_ratio(results: Results) -> float | None:
    """How much more two workers serve on two cores of their own.

    Load generator and origin take half of this machine, so requests/s say nothing. What a worker can serve is bounded
    by its own core: by the CPU that it uses for each request of all, and where there are two, by the busier one's.
    """
    outcomes = results.rows.get("workers", [])
    if len(outcomes) < 2:
        return None
    beside = _in_rounds(outcomes[0], outcomes[1], lambda sample: sample.worker_cpu_us)
    return None if beside is None else beside.middle


def _throughput_table(row: str, outcomes: Sequence[Outcome]) -> str:
    ourselves = row in _AMONG_OURSELVES
    baseline = outcomes[0] if ourselves else _ours(outcomes)
    compared = "CPU beside the first" if ourselves else "our CPU ÷ its CPU"
    heads = ["", "requests/s", "CPU µs a request", "worker alone µs", "p50 ms", "p99 ms", "RSS MiB"]
    heads += ["worker alone MiB", compared]
    rows = []
    for outcome in outcomes:
        if not outcome.samples:
            continue
        ratio = None
        if baseline is not None and baseline is not outcome:
            ratio = cpu_ratio(outcome, baseline) if ourselves else cpu_ratio(baseline, outcome)
        samples = outcome.samples
        cells = [
            outcome.name,
            _cell(samples, "requests_per_second", 0),
            _cell(samples, "cpu_us", 1),
            f"{median(each.worker_cpu_us for each in samples):.1f}",
            f"{median(each.load.p50_ms for each in samples):.2f}",
            f"{median(each.load.p99_ms for each in samples):.2f}",
            f"{median(each.rss_mib for each in samples):.0f}",
            f"{median(each.worker_rss_mib for each in samples):.0f}",
            f"{ratio.text(2)} ×" if ratio else "–",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return _table(heads, rows) if rows else "Nothing could be measured."


def _cell(samples: Sequence[Sample], figure: str, digits: int) -> str:
    spread = Spread.of(getattr(sample, figure) for sample in samples)
    return spread.text(digits) if spread else "–"


def _stream_table(outcomes: Sequence[StreamOutcome]) -> str:
    rows = [
        f"| {each.name} | {each.mib} | {each.before_mib:.1f} | +{each.up_mib:.1f} | +{each.down_mib:.1f} "
        f"| {each.up_seconds:.1f} | {each.down_seconds:.1f} |"
        for each in outcomes
        if not each.reason
    ]
    heads = ["", "body MiB", "worker MiB before", "up: growth MiB", "down: growth MiB", "up s", "down s"]
    return _table(heads, rows) if rows else "Nothing could be measured."


def _shadow_table(outcomes: Sequence[ShadowOutcome]) -> str:
    heads = ["", "requests/s", "p50 ms", "p99 ms", "worker CPU µs a request", "judge CPU µs a request", "compared"]
    rows = [
        f"| {each.name} | {each.middle('requests_per_second'):,.0f} | {each.middle('p50_ms'):.2f} "
        f"| {each.middle('p99_ms'):.2f} | {each.middle('worker_cpu_us'):.1f} | {each.middle('judge_cpu_us'):.1f} "
        f"| {100 * each.compared:.0f} % |"
        for each in outcomes
        if each.samples
    ]
    return _table(heads, rows) if rows else "Nothing could be measured."


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    rule = "|" + "|".join(["---"] + ["---:"] * (len(heads) - 1)) + "|"
    return "\n".join(["| " + " | ".join(heads) + " |", rule, *rows])


def _missing(outcomes: Sequence[Outcome] | Sequence[StreamOutcome] | Sequence[ShadowOutcome]) -> list[str]:
    lines = [f"- **{each.name}: not runnable**: {each.reason}" for each in outcomes if each.reason]
    return ["\n".join(lines)] if lines else []


def _strangers(results: Results) -> str:
    shares = [sample.strangers for outcomes in results.rows.values() for each in outcomes for sample in each.samples]
    if not shares:
        return "- Load from elsewhere: not measured"
    return (
        f"- Load from elsewhere meanwhile: {100 * median(shares):.0f} % of the machine in the median, "
        f"{100 * max(shares):.0f} % at most"
    )
