"""`strangler rollout simulate`: how a rollout would go on the recorded traffic, without a gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from strangler.cli.plan import week_of_store
from strangler.cli.shadow.stored import NoSuchMigration, check_migration
from strangler.cli.validate import print_problems
from strangler.config.compile.rollout import compile_policy
from strangler.config.load import load
from strangler.config.schema.rollout import RolloutSection
from strangler.config.text.problems import ConfigurationError
from strangler.rollout.policy import SHADOW, RolloutPolicy
from strangler.rollout.results import duration
from strangler.rollout.simulation.figures import SimulatedFigures, simulate
from strangler.rollout.simulation.recorded import WEEK, recorded_traffic, with_callers, with_requests
from strangler.rollout.simulation.traffic import LONGEST, Traffic
from strangler.store.database import StoreError
from strangler.traffic.periods import HOUR, HOURS
from strangler.traffic.week import Week

SEED = 1


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What is simulated: how bad a bad release is, how many callers come, and how many of them always fail."""

    bad_ratio: float | None
    callers_per_hour: float | None
    failing: float
    runs: int
    as_json: bool


def simulate_rollout(config: Path, migration: str, options: SimulationOptions) -> int:
    """Print how long each step takes, whom a bad release meets, and how often the controller errs."""
    try:
        loaded = load(config)
        check_migration(loaded, migration)
    except ConfigurationError as error:
        print_problems(error)
        return 1
    except NoSuchMigration as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 1
    policy = compile_policy(loaded.model.migrations[migration].rollout or RolloutSection())
    traffic, source = _traffic(loaded.snapshot.store.url, migration, options)
    ratio = policy.harmful_ratio if options.bad_ratio is None else options.bad_ratio
    good, bad = (simulate(policy, traffic, each, options.runs, SEED) for each in (1.0, ratio))
    if options.as_json:
        document = {"migration": migration, "traffic": source, "good": asdict(good), "bad": asdict(bad)}
        print(orjson.dumps(_with_text_keys(document), option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(_lines(migration, policy, source, good, bad)))
        print(_exposed(traffic, bad))
    return 0


def _traffic(store: str, migration: str, options: SimulationOptions) -> tuple[Traffic, str]:
    """The callers that are simulated, and where their number comes from."""
    traffic = Traffic(always_failing=options.failing / 100)
    try:
        week = week_of_store(store)
    except StoreError as error:
        print(f"strangler: no traffic of the last week can be read: {error}", file=sys.stderr)
        week = Week(0)
    requests, callers = _of_migration(week, migration)
    if requests:
        traffic = with_requests(traffic, max(1, callers), requests, min(week.recorded * HOUR, WEEK))
        traffic = recorded_traffic(traffic, week.hourly, week.until)
        source = f"{requests:,} requests of {callers:,} callers, recorded in {week.recorded} of {HOURS} hours"
    else:
        source = f"made up: {traffic.callers:,} callers, {traffic.requests_per_day:g} requests a day each"
    if options.callers_per_hour is not None:
        traffic = with_callers(traffic, options.callers_per_hour, HOUR)
        shape = "the recorded shape" if requests else "a made-up daily wave"
        source = f"{options.callers_per_hour:g} callers an hour in the mean, {shape}"
    return traffic, source


def _of_migration(week: Week, migration: str) -> tuple[int, int]:
    """How many requests and callers of the week were for the migration's routes."""
    routes = f"{migration}/"
    requests = week.requests_of(lambda labels: labels.route.startswith(routes))
    return requests, week.callers_of(lambda labels: labels.route.startswith(routes)).count()


def _lines(
    migration: str, policy: RolloutPolicy, source: str, good: SimulatedFigures, bad: SimulatedFigures
) -> Iterator[str]:
    yield f"{migration}: {source}; {good.runs:,} simulated rollouts of each release, seed {good.seed}"
    if policy.steps[0] == SHADOW:
        yield f"before: shadowing takes pairs, not callers; strangler shadow report {migration} shows how many"
    yield "a good release, which fails as many callers as the legacy side:"
    for percent, seconds in good.seconds.items():
        mean, nearly_all = _within(seconds.mean), _within(seconds.nearly_all)
        yield f"  at {percent:g} %: {mean} in the mean, {nearly_all} in 99.9 % of cases"
    yield f"  rolled back: {_part(good.rolled_back, good)} (at most {_percent(policy.alpha)} by alpha)"
    yield f"  moved: {_part(good.moved, good)}; not ended, for want of callers: {_part(good.open, good)}"
    yield f"a bad release, which fails {bad.ratio:g} times as many callers:"
    yield f"  rolled back: {_part(bad.rolled_back, bad)}"
    if bad.ratio >= policy.harmful_ratio:
        promise = f"at most {_percent(policy.beta)} by beta"
    else:
        promise = f"open: beta is about releases that fail {policy.harmful_ratio:g} times as many"
    yield f"  promoted beyond the first share: {_part(bad.promoted, bad)} ({promise})"


def _exposed(traffic: Traffic, bad: SimulatedFigures) -> str:
    mean, nearly_all = bad.exposed.mean, bad.exposed.nearly_all
    return (
        f"  met by {round(mean * traffic.callers):,} callers in the mean ({_percent(mean)} of all), by"
        f" {round(nearly_all * traffic.callers):,} in 99.9 % of cases ({_percent(nearly_all)})"
    )


def _within(seconds: float) -> str:
    return f"more than {duration(LONGEST)}" if seconds >= LONGEST else duration(seconds)


def _part(number: int, figures: SimulatedFigures) -> str:
    return _percent(number / figures.runs)


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{key:g}" if isinstance(key, float) else key: _with_text_keys(each) for key, each in value.items()}
    return value
