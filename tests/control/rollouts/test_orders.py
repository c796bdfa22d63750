"""What people order: carried out once by whoever leads, or refused with the reason; recorded either way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from strangler.control.rollouts import controller
from strangler.control.rollouts.errors import NoController, NotPermitted, UnknownMigration
from strangler.model.migration import Stage
from strangler.rollout.evidence import CommandKind
from tests.control.rollouts.stage import PLAIN, Gateway, document, play


async def order(gateway: Gateway, kind: CommandKind, *, force: bool = False, reason: str = "because") -> None:
    """An order of kim, carried out by turns that are taken meanwhile."""
    taking = asyncio.create_task(gateway.engine.run())
    try:
        await gateway.controller.command("m", kind, by="kim", reason=reason, force=force)
    finally:
        taking.cancel()
        await asyncio.wait([taking])


def test_a_rollback_by_order_lasts_until_a_person_resumes(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        await order(gateway, CommandKind.ROLLBACK)
        assert await gateway.state() == ("rolled back", "legacy")
        assert gateway.migration().stage is Stage.LEGACY
        gateway.reload(document() + "shutdown: {drain: 5s}\n")
        await gateway.turns()
        assert (await gateway.view()).state == "rolled back"
        with pytest.raises(NotPermitted, match="rolled back already"):
            await order(gateway, CommandKind.ROLLBACK)
        await order(gateway, CommandKind.RESUME)
        await gateway.turns()
        view = await gateway.view()
        assert (view.state, view.attempt) == ("canary", 2)
        rollback = next(e for e in await gateway.controller.history("m") if e["what"] == "failed")
        assert (rollback["who"], rollback["reason"]) == ("kim", "because")

    play(tmp_path / "gateway.yaml", test)


def test_a_pause_holds_the_share_until_it_ends(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        await order(gateway, CommandKind.PAUSE)
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        view = await gateway.view()
        assert (view.state, view.held, view.step, view.paused) == ("holding", "canary", "20 %", "because (kim)")
        assert gateway.migration().threshold == 2000
        await order(gateway, CommandKind.RESUME)
        await gateway.turns()
        assert await gateway.state() == ("canary", "50")

    play(tmp_path / "gateway.yaml", test)


def test_a_promotion_past_a_gate_needs_force_and_is_recorded(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        with pytest.raises(NotPermitted, match="--force promotes all the same"):
            await order(gateway, CommandKind.PROMOTE)
        await order(gateway, CommandKind.PROMOTE, force=True)
        await gateway.turns()
        assert await gateway.state() == ("canary", "50")
        forced = [entry for entry in await gateway.controller.history("m") if entry["forced"]]
        assert [(entry["what"], entry["who"]) for entry in forced] == [("passed", "kim")]
        refused = [entry for entry in await gateway.controller.history("m") if entry["what"] == "refused"]
        assert refused[0]["reason"].startswith("promote: errors needs")

    play(tmp_path / "gateway.yaml", test)


def test_a_step_that_needs_approval_waits_for_it(tmp_path: Path) -> None:
    rollout = PLAIN.replace("latency: {enabled: false}", "latency: {enabled: false}, approval: {before: extracted}")

    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        with pytest.raises(NotPermitted, match="the next step needs no approval"):
            await order(gateway, CommandKind.APPROVE)
        for _ in range(2):
            gateway.callers(extracted=40, legacy=40)
            await gateway.turns()
        view = await gateway.view()
        assert (view.state, view.step, view.missing) == ("holding", "50 %", "100 % needs the approval of a person")
        await order(gateway, CommandKind.APPROVE)
        await gateway.turns()
        assert await gateway.state() == ("watching", "extracted")

    play(tmp_path / "gateway.yaml", test, document(rollout))


def test_an_order_about_no_rollout_is_refused_with_those_there_are(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        with pytest.raises(UnknownMigration, match=r"'x' with a section 'rollout' \(there are: m\)"):
            await gateway.controller.command("x", CommandKind.PAUSE, by="kim")
        with pytest.raises(UnknownMigration):
            await gateway.controller.history("x")

    play(tmp_path / "gateway.yaml", test)


def test_an_order_while_the_configuration_decides_is_refused(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        gateway.reload(document(stage="shadow"))
        with pytest.raises(NotPermitted, match="the stage in the configuration is shadow, not rollout"):
            await order(gateway, CommandKind.PROMOTE)

    play(tmp_path / "gateway.yaml", test)


def test_an_order_that_no_gateway_carries_out_is_said_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        monkeypatch.setattr(controller, "CARRIED_OUT_WITHIN", 0.2)
        with pytest.raises(NoController, match="the order is stored"):
            await gateway.controller.command("m", CommandKind.PAUSE, by="kim", reason="lunch")
        # Whoever leads next carries it out.
        await gateway.turns(1)
        assert (await gateway.view()).paused == "lunch (kim)"

    play(tmp_path / "gateway.yaml", test)


def test_a_freeze_stops_what_goes_forward_and_nothing_that_goes_back(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        await gateway.controller.freeze(by="kim", reason="sale")
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        view = await gateway.controller.status()
        assert view.freeze is not None
        assert (view.freeze.by, view.freeze.reason) == ("kim", "sale")
        assert (view.rollouts["m"].state, view.rollouts["m"].missing) == ("holding", "frozen: sale (kim)")
        gateway.callers(extracted=40, legacy=40, failing=(10, 0))
        await gateway.turns(1)
        assert (await gateway.view()).state == "rolled back"
        await gateway.controller.unfreeze(by="kim")
        assert (await gateway.controller.status()).freeze is None
        with pytest.raises(NotPermitted, match="not frozen"):
            await gateway.controller.unfreeze(by="kim")
        assert {"frozen", "unfrozen"} <= set(await gateway.history())

    play(tmp_path / "gateway.yaml", test)


def test_a_dry_run_decides_and_records_and_moves_nobody(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        view = await gateway.view()
        assert (view.state, view.dry_run, view.share) == ("proving", True, 0)
        assert gateway.migration().stage is Stage.LEGACY
        (entry,) = [entry for entry in await gateway.controller.history("m") if entry["dry_run"]]
        assert (entry["what"], entry["to_state"], entry["to_share"]) == ("passed", "promoting", 0.2)

    play(tmp_path / "gateway.yaml", test, document(PLAIN + "\n      dry_run: true"))
