"""A control process's rollouts without workers and judge: turns are taken by the test, callers are reported by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

from strangler.config.load import Loaded, load
from strangler.control.rollouts.controller import RolloutController
from strangler.control.rollouts.engine import RolloutEngine
from strangler.control.rollouts.views import RolloutView
from strangler.model.migration import Migration
from strangler.model.snapshot import Snapshot
from strangler.observe.callers import CallersReport, NotedCaller, caller_digest
from strangler.observe.counters import BUCKETS
from strangler.observe.sketch import Sketch
from strangler.observe.worker_report import RequestFigures, WorkerReport

PLAIN = """
      steps: [20, 50, extracted]
      beta: 0.05
      floor: 20
      watch: 0s
      gates: {equivalence: {enabled: false}, latency: {enabled: false}}"""
"""Moved by failing callers alone; about 20 callers without a failure pass a step."""


def document(rollout: str = PLAIN, *, stage: str = "rollout", store: str = "store.sqlite3", others: str = "") -> str:
    """A configuration with the migration `m`, and other migrations."""
    url = store if "://" in store else f"sqlite:///{store}"
    return (
        "version: 1\n"
        "upstreams:\n"
        '  old: {endpoints: "http://127.0.0.1:1"}\n'
        '  new: {endpoints: "http://127.0.0.1:2"}\n'
        "default: old\n"
        f'store: {{url: "{url}"}}\n'
        "migrations:\n" + migration("m", rollout, stage=stage) + others
    )


def migration(name: str, rollout: str = PLAIN, *, stage: str = "rollout") -> str:
    """One migration with a sticky key of its own."""
    return (
        f"  {name}:\n"
        "    from: old\n"
        "    to: new\n"
        f"    stage: {stage}\n"
        '    canary: {percent: 30, sticky: "header:X-Caller"}\n'
        f"    rollout: {rollout}\n"
        f"    routes: [{{name: all, match: {{path: /{name}/**, methods: GET}}}}]\n"
    )


class Gateway:
    """One control process's rollouts. `workers` is what its workers acknowledge: how many run, how many are current."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loaded: Loaded = load(path, {})
        self.engine = RolloutEngine(lambda: self.workers, self._publish)
        self.controller = RolloutController(self.engine)
        self.workers = (2, 2)
        self.published: list[Snapshot] = []

    def _publish(self) -> None:
        self.published.append(self.engine.placed(self.loaded).snapshot)

    async def start(self) -> None:
        """Read where the rollouts stand, and publish the first snapshot."""
        self.engine.apply(self.loaded)
        await self.engine.prepare()
        self._publish()

    def reload(self, text: str) -> None:
        """Load another configuration."""
        self.path.write_text(text)
        self.loaded = load(self.path, {})
        self.engine.apply(self.loaded)
        self._publish()

    async def turns(self, number: int = 6) -> None:
        """Take turns."""
        for _ in range(number):
            await self.engine.turn()

    async def until(self, state: str, step: str, name: str = "m") -> None:
        """Take turns until the rollout is there."""
        async with asyncio.timeout(20):
            while name not in (await self.controller.status()).rollouts or await self.state(name) != (state, step):
                await self.engine.turn()
                await asyncio.sleep(0.02)

    def migration(self, name: str = "m") -> Migration:
        """The migration as workers have it."""
        return self.published[-1].migrations[name]

    async def view(self, name: str = "m") -> RolloutView:
        """Where a rollout stands."""
        return (await self.controller.status()).rollouts[name]

    async def state(self, name: str = "m") -> tuple[str, str]:
        """The state and the step of a rollout."""
        view = await self.view(name)
        return view.state, view.step.removesuffix(" %")

    async def history(self, name: str = "m") -> list[str]:
        """What happened to a rollout, the first first."""
        return [entry["what"] for entry in reversed(await self.controller.history(name))]

    def callers(self, extracted: int = 0, legacy: int = 0, failing: tuple[int, int] = (0, 0), name: str = "m") -> None:
        """Report as many callers on either side in the present step, of whom so many fail on each."""
        counting = self.migration(name).counting
        assert counting is not None
        noted, seen = [], {}
        for side, came, failed in (("extracted", extracted, failing[0]), ("legacy", legacy, failing[1])):
            sketch = Sketch()
            for caller in range(came):
                sketch.add(caller_digest(side, str(caller)))
            seen[side] = bytes(sketch.registers)
            noted += [NotedCaller("errors", side, caller, f"{name}/all", "status 500") for caller in range(failed)]
        self.engine.take(WorkerReport(callers=[CallersReport(name, counting.scope, tuple(noted), seen)]))

    def latencies(self, seconds: float, requests: int, name: str = "m") -> None:
        """Report requests of the legacy side that took so long."""
        buckets = [0] * (len(BUCKETS) + 1)
        buckets[next(number for number, bound in enumerate((*BUCKETS, float("inf"))) if seconds <= bound)] = requests
        figures = RequestFigures(requests, seconds * requests, 0, buckets)
        self.engine.take(WorkerReport(requests={(f"{name}/all", "legacy", "old", 200): figures}))


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test that needs a loop."""
    asyncio.run(cast(Coroutine[Any, Any, None], test()))


def play(path: Path, test: Callable[[Gateway], Awaitable[None]], text: str | None = None) -> None:
    """Run `test` with a gateway of the configuration `text`, written to `path`."""

    async def main() -> None:
        path.write_text(document() if text is None else text)
        gateway = Gateway(path)
        await gateway.start()
        try:
            await test(gateway)
        finally:
            await gateway.engine.close()

    run(main)
