"""What the gates read: pairs of the present epoch, thresholds of the legacy side, each caller once."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

import pytest
from sqlalchemy import insert, select

from strangler.control.rollouts import measured
from strangler.control.rollouts.caller_store import ENOUGH, UnwrittenCallers, read_callers, read_reasons, write_callers
from strangler.model.migration import Stage
from strangler.observe.callers import CallersReport, NotedCaller, caller_digest
from strangler.observe.sketch import Sketch
from strangler.rollout.evidence import CommandKind
from strangler.shadow.evidence.tables import epochs, outcomes, resets, self_tests, variety
from strangler.shadow.evidence.variety import Variety
from tests.control.rollouts.stage import PLAIN, Gateway, document, play
from tests.control.rollouts.test_orders import order

SHADOWED = """
      steps: [shadow, 50, extracted]
      beta: 0.05
      floor: 20
      watch: 0s
      gates: {equivalence: {target: 10}, latency: {enabled: false}}"""
LATENCY = PLAIN.replace("latency: {enabled: false}", "errors: {enabled: false}")


@pytest.fixture(autouse=True)
def _traffic_is_read_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "LONGEST_PAUSE", 0.0)


class Judge:
    """Writes pairs into the store of `gateway` as a judge does."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.number = 0

    async def write(
        self,
        right: int,
        wrong: int = 0,
        *,
        versions: tuple[str, str] = ("", ""),
        tested: bool = True,
        risk: str = "high",
    ) -> None:
        """An epoch, the next one, with so many pairs of one operation."""
        self.number += 1
        now, name = time(), f"epoch {self.number}"
        settings = self.gateway.engine.plans["m"].settings
        sketches = Variety()
        for unit in range(right):
            sketches.units.add(caller_digest("unit", str(unit)))
        count = {"migration": "m", "epoch": name, "route": "m/all", "operation": "GET /m", "period": 0, "reason": ""}

        def work(_: Any, connection: Any) -> None:
            number = connection.execute(select(resets.c.number)).scalar() or 0
            connection.execute(
                insert(epochs).values(
                    migration="m",
                    epoch=name,
                    settings=settings,
                    resets=number,
                    legacy=versions[0],
                    extracted=versions[1],
                    began=now,
                    last=now,
                    reason="first evidence",
                )
            )
            for outcome, pairs in (("match", right), ("mismatch", wrong)):
                if pairs:
                    worst = risk if outcome == "mismatch" else ""
                    row = {**count, "outcome": outcome, "risk": worst, "evidence": True, "count": pairs}
                    connection.execute(insert(outcomes).values(**row))
            connection.execute(
                insert(variety).values(migration="m", epoch=name, operation="GET /m", sketches=sketches.as_bytes())
            )
            if tested:
                connection.execute(insert(self_tests).values(migration="m", epoch=name, at=now, failure=""))

        await self.gateway.engine.store.write(work)


def test_pairs_prove_before_any_caller_is_moved(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        judge = Judge(gateway)
        await gateway.turns()
        assert await gateway.state() == ("shadowing", "shadow")
        assert gateway.migration().stage is Stage.SHADOW
        assert gateway.migration().copied_sides == ("legacy",)
        await judge.write(20)
        await gateway.turns()
        view = await gateway.view()
        assert view.state == "proving"
        assert view.missing.startswith("equivalence needs 12 more matching pairs of GET /m")
        await judge.write(60)
        await gateway.turns()
        assert await gateway.state() == ("canary", "50")
        assert gateway.migration().copied_sides == ("legacy",)

    play(tmp_path / "gateway.yaml", test, document(SHADOWED))


def test_mismatches_roll_it_back_at_the_shadow_step(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        judge = Judge(gateway)
        await gateway.turns()
        await judge.write(30, 30)
        await gateway.turns()
        assert await gateway.state() == ("rolled back", "legacy")
        entry = (await gateway.controller.history("m"))[0]
        assert entry["from_state"] == "proving"
        assert "30 of 60 pairs of GET /m mismatch" in entry["reason"]

    play(tmp_path / "gateway.yaml", test, document(SHADOWED))


def test_differences_of_a_class_that_does_not_count_do_not(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        judge = Judge(gateway)
        await gateway.turns()
        await judge.write(60, 10, risk="low")
        await gateway.turns()
        assert await gateway.state() == ("canary", "50")

    play(tmp_path / "gateway.yaml", test, document(SHADOWED))


def test_pairs_without_a_self_test_prove_nothing(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        judge = Judge(gateway)
        await gateway.turns()
        await judge.write(60, tested=False)
        await gateway.turns()
        assert await gateway.state() == ("shadowing", "shadow")

    play(tmp_path / "gateway.yaml", test, document(SHADOWED))


def test_another_version_of_the_service_begins_the_proof_anew(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        judge = Judge(gateway)
        await judge.gateway.turns()
        await judge.write(60, versions=("1", "1"))
        await gateway.until("canary", "50")
        await judge.write(0, versions=("1", "2"))
        await gateway.turns(1)
        assert await gateway.state() == ("waiting", "legacy")
        assert gateway.migration().threshold == 0
        await gateway.turns()
        assert await gateway.state() == ("shadowing", "shadow")
        assert "revised" in await gateway.history()

    play(tmp_path / "gateway.yaml", test, document(SHADOWED))


def test_a_new_attempt_begins_without_the_pairs_of_the_one_before(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        judge = Judge(gateway)
        await gateway.turns()
        await judge.write(60)
        await gateway.until("canary", "50")
        await order(gateway, CommandKind.ROLLBACK)
        await order(gateway, CommandKind.RESUME)
        await gateway.turns()
        assert await gateway.state() == ("shadowing", "shadow")
        await judge.write(60)
        await gateway.until("canary", "50")

    play(tmp_path / "gateway.yaml", test, document(SHADOWED))


def test_slow_callers_are_counted_by_the_percentile_of_the_legacy_side(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        gateway.latencies(0.02, ENOUGH)
        gateway.latencies(0.2, ENOUGH // 200)
        await gateway.until("canary", "20")
        counting = gateway.migration().counting
        assert counting is not None
        # All but 0.5 % took no longer than 20 ms, and 25 ms is the next bound.
        assert counting.slow_after == {"m/all": 0.025}
        gateway.callers(extracted=40, legacy=40)
        await gateway.until("canary", "50")

    play(tmp_path / "gateway.yaml", test, document(LATENCY))


def test_without_a_threshold_latency_can_not_be_measured(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        gateway.latencies(0.02, ENOUGH - 1)
        await gateway.turns(8)
        view = await gateway.view()
        assert (view.state, view.held) == ("holding", "canary")
        assert view.missing == (
            "latency can't be measured: no threshold is frozen: no window of the control held enough requests"
        )
        gateway.latencies(0.02, 1)
        await gateway.until("canary", "20")

    play(tmp_path / "gateway.yaml", test, document(LATENCY))


def test_a_caller_who_fails_at_two_workers_counts_once(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns(1)
        sketch = Sketch()
        sketch.add(12_345)
        noted = NotedCaller("errors", "legacy", 7, "m/all", "status 500")
        report = CallersReport("m", "scope", (noted,), {"legacy": bytes(sketch.registers)})
        for _ in range(2):
            unwritten = UnwrittenCallers()
            unwritten.add(report, time())
            await gateway.engine.store.write(
                lambda database, connection, callers=unwritten: write_callers(database, connection, callers, time())
            )
        read = await gateway.engine.store.read(lambda connection: read_callers(connection, "m", "scope"))
        assert read.noted == {("errors", "legacy"): 1}
        # Never too high: a tenth is left out for the sketch's error.
        assert read.seen == {"legacy": 0}
        (reason,) = await gateway.engine.store.read(lambda connection: read_reasons(connection, "m", "scope"))
        assert (reason.operation, reason.reason, reason.callers) == ("m/all", "status 500", 1)

    play(tmp_path / "gateway.yaml", test)
