"""The control process is killed in each state, and another goes on there: the store is all that it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from strangler.control.rollouts import engine, measured, record_store
from strangler.rollout.evidence import CommandKind
from strangler.rollout.states import RolloutState
from tests.control.rollouts.stage import PLAIN, Gateway, document, run
from tests.control.rollouts.test_evidence import SHADOWED, Judge
from tests.control.rollouts.test_orders import order


class Stop(NamedTuple):
    """A state: how it is `reached`, how the rollout goes `on` from it, and where to, in which attempt."""

    reached: Callable[[Gateway, Judge], Awaitable[None]]
    on: Callable[[Gateway, Judge], Awaitable[None]]
    to: tuple[str, str]
    attempt: int = 1
    rollout: str = PLAIN


async def begin(gateway: Gateway, judge: Judge) -> None:
    await gateway.turns()


async def stage_by_hand(gateway: Gateway, judge: Judge) -> None:
    await gateway.turns()
    gateway.reload(document(stage="legacy"))
    await gateway.turns()


async def stage_rollout(gateway: Gateway, judge: Judge) -> None:
    gateway.reload(document())


async def few_pairs(gateway: Gateway, judge: Judge) -> None:
    await gateway.turns()
    await judge.write(20)
    await gateway.turns()


async def no_acknowledgement(gateway: Gateway, judge: Judge) -> None:
    gateway.workers = (2, 1)
    await gateway.turns()


async def acknowledgement(gateway: Gateway, judge: Judge) -> None:
    gateway.workers = (2, 2)


async def more_pairs(gateway: Gateway, judge: Judge) -> None:
    await judge.write(60)


async def callers(gateway: Gateway, judge: Judge) -> None:
    gateway.callers(extracted=40, legacy=40)


async def last_step(gateway: Gateway, judge: Judge) -> None:
    for _ in range(2):
        await gateway.turns()
        gateway.callers(extracted=40, legacy=40)
    await gateway.turns()


async def all_of_it(gateway: Gateway, judge: Judge) -> None:
    await last_step(gateway, judge)
    gateway.callers(extracted=40)
    await gateway.turns()


async def failing_callers(gateway: Gateway, judge: Judge) -> None:
    await gateway.turns()
    gateway.callers(extracted=20, legacy=80, failing=(8, 0))
    await gateway.turns()


async def pause(gateway: Gateway, judge: Judge) -> None:
    await gateway.turns()
    await order(gateway, CommandKind.PAUSE)


async def resume(gateway: Gateway, judge: Judge) -> None:
    await order(gateway, CommandKind.RESUME)


async def rollback(gateway: Gateway, judge: Judge) -> None:
    await order(gateway, CommandKind.ROLLBACK)


STOPS = {
    RolloutState.WAITING: Stop(stage_by_hand, stage_rollout, ("canary", "20"), attempt=2),
    RolloutState.SHADOWING: Stop(begin, few_pairs, ("proving", "shadow"), rollout=SHADOWED),
    RolloutState.PROVING: Stop(few_pairs, more_pairs, ("canary", "50"), rollout=SHADOWED),
    RolloutState.PROMOTING: Stop(no_acknowledgement, acknowledgement, ("canary", "20")),
    RolloutState.CANARY: Stop(begin, callers, ("canary", "50")),
    RolloutState.WATCHING: Stop(last_step, callers, ("extracted", "extracted")),
    RolloutState.EXTRACTED: Stop(all_of_it, rollback, ("rolled back", "legacy")),
    RolloutState.HOLDING: Stop(pause, resume, ("canary", "20")),
    RolloutState.ROLLED_BACK: Stop(failing_callers, resume, ("canary", "20"), attempt=2),
}


def test_each_state_has_a_restart() -> None:
    assert STOPS.keys() == set(RolloutState)


@pytest.mark.parametrize("state", STOPS)
def test_a_restart_in_any_state_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: RolloutState
) -> None:
    # The workers of a gateway that is gone count for a while.
    monkeypatch.setattr(record_store, "ALIVE", 0.5)
    monkeypatch.setattr(engine, "REPORTED_EVERY", 0.0)
    monkeypatch.setattr(measured, "LONGEST_PAUSE", 0.0)
    stop = STOPS[state]
    path = tmp_path / "gateway.yaml"
    path.write_text(document(stop.rollout))

    async def test() -> None:
        first = Gateway(path)
        await first.start()
        judge = Judge(first)
        await stop.reached(first, judge)
        before, history = await first.view(), await first.history()
        assert before.state == state
        # Killed: nothing is told to anyone.
        assert first.engine._candidacy is not None
        first.engine._candidacy.resign()
        second = judge.gateway = Gateway(path)
        second.workers = first.workers
        await second.start()
        for _ in range(2):
            after = await second.view()
            assert (after.state, after.step, after.share) == (before.state, before.step, before.share)
            assert (after.held, after.attempt, after.paused) == (before.held, before.attempt, before.paused)
            assert second.migration() == first.migration()
            await second.turns(3)
        assert second.engine.leads
        # Nothing happens twice.
        assert await second.history() == history
        await stop.on(second, judge)
        await second.until(*stop.to)
        assert (await second.view()).attempt == stop.attempt
        await second.engine.close()

    run(test)
