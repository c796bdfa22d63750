"""A store that fails and a clock that jumps hold every rollout; they promote nothing and stop no traffic."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from strangler.control.rollouts import engine
from strangler.control.rollouts.errors import StoreUnavailable
from strangler.rollout.evidence import CommandKind
from tests.control.rollouts.stage import Gateway, document, migration, play


def test_a_store_that_fails_holds_every_rollout_and_moves_no_caller(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        published = len(gateway.published)
        await gateway.engine.store.write(
            lambda _, connection: connection.exec_driver_sql("ALTER TABLE rollout_records RENAME TO elsewhere")
        )
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        view = await gateway.controller.status()
        assert view.problem is not None
        assert "rollout_records" in view.problem
        assert len(gateway.published) == published
        assert gateway.migration().threshold == 2000
        with pytest.raises(StoreUnavailable):
            await gateway.controller.command("m", CommandKind.PAUSE, by="kim")
        await gateway.engine.store.write(
            lambda _, connection: connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO rollout_records")
        )
        # What was counted meanwhile is not lost.
        await gateway.turns()
        assert await gateway.state() == ("canary", "50")
        assert (await gateway.controller.status()).problem is None

    play(tmp_path / "gateway.yaml", test)


def test_callers_who_come_while_the_store_fails_are_counted_later(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        await gateway.engine.store.write(
            lambda _, connection: connection.exec_driver_sql("ALTER TABLE rollout_noted_callers RENAME TO elsewhere")
        )
        gateway.callers(extracted=20, legacy=80, failing=(8, 0))
        await gateway.turns(3)
        assert gateway.migration().threshold == 2000
        await gateway.engine.store.write(
            lambda _, connection: connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO rollout_noted_callers")
        )
        await gateway.turns(1)
        assert (await gateway.view()).state == "rolled back"

    play(tmp_path / "gateway.yaml", test)


def test_without_a_store_at_the_start_callers_are_on_the_legacy_side(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")

    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        assert gateway.migration().threshold == 0
        assert (await gateway.controller.status()).problem is not None
        assert (await gateway.controller.status()).rollouts == {}

    play(tmp_path / "gateway.yaml", test, document(store="taken/store.sqlite3"))


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_promotes_nothing_in_that_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    real = engine.time

    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        gateway.callers(extracted=40, legacy=40)
        monkeypatch.setattr(engine, "time", lambda: real() + jump)
        await gateway.turns(1)
        assert await gateway.state() == ("canary", "20")
        await gateway.turns(1)
        assert (await gateway.view()).step == "50 %"
        monkeypatch.setattr(engine, "time", real)
        await gateway.turns(4)
        assert await gateway.state() == ("canary", "50")

    play(tmp_path / "gateway.yaml", test)


def test_turns_go_on_after_one_that_fails_unexpectedly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(gateway: Gateway) -> None:
        def fail() -> float:
            raise RuntimeError("a driver's surprise")

        with monkeypatch.context() as patched:
            patched.setattr(gateway.engine, "_serving", fail)
            await gateway.turns(2)
            assert gateway.engine.problem == """RuntimeError("a driver's surprise")"""
        taking = asyncio.create_task(gateway.engine.run())
        await gateway.until("canary", "20")
        taking.cancel()

    play(tmp_path / "gateway.yaml", test)


GROUP = migration("other").replace("watch: 0s", "watch: 0s\n      depends_on: [m]")


def test_a_group_moves_in_order(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.until("canary", "20", "other")
        gateway.callers(extracted=40, legacy=40, name="other")
        await gateway.turns()
        view = await gateway.view("other")
        assert (view.state, view.step) == ("holding", "20 %")
        assert view.missing == "m is at 0.2 of its callers, this migration would be at 0.5"
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        assert await gateway.state() == await gateway.state("other") == ("canary", "50")

    play(tmp_path / "gateway.yaml", test, document(others=GROUP))


def test_a_group_returns_together_in_one_snapshot(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.until("canary", "20", "other")
        published = len(gateway.published)
        gateway.callers(extracted=20, legacy=80, failing=(8, 0))
        await gateway.turns(1)
        assert len(gateway.published) == published + 1
        assert (gateway.migration().threshold, gateway.migration("other").threshold) == (0, 0)
        assert (await gateway.controller.history("other"))[0]["reason"] == (
            "m rolled back, which this migration depends on"
        )

    play(tmp_path / "gateway.yaml", test, document(others=GROUP))


def test_a_dependency_that_the_configuration_moves_counts_by_its_stage(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        # `other` is at 30 % by hand.
        assert await gateway.state("m") == ("canary", "20")
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        assert (await gateway.view("m")).missing == "other is at 0.3 of its callers, this migration would be at 0.5"

    rollout = document().replace("watch: 0s", "watch: 0s\n      depends_on: [other]")
    play(tmp_path / "gateway.yaml", test, rollout + migration("other", stage="canary"))
