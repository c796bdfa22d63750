"""Rollouts move by what the store holds, and each move is saved with its audit before workers get it."""

from __future__ import annotations

from pathlib import Path

from strangler.model.migration import Stage
from tests.control.rollouts.stage import Gateway, document, play


def test_a_rollout_goes_forward_while_no_caller_fails(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        assert await gateway.state() == ("canary", "20")
        assert (gateway.migration().stage, gateway.migration().threshold) == (Stage.CANARY, 2000)
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        assert await gateway.state() == ("canary", "50")
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        assert await gateway.state() == ("watching", "extracted")
        assert gateway.migration().stage is Stage.EXTRACTED
        gateway.callers(extracted=40)
        await gateway.turns()
        assert await gateway.state() == ("extracted", "extracted")
        assert gateway.migration().counting is None
        assert await gateway.history() == ["begun", "compared", *["passed", "acknowledged"] * 3, "passed"]

    play(tmp_path / "gateway.yaml", test)


def test_failing_callers_roll_it_back_and_the_audit_says_why(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        gateway.callers(extracted=20, legacy=80, failing=(8, 0))
        await gateway.turns(1)
        assert await gateway.state() == ("rolled back", "legacy")
        assert gateway.migration().stage is Stage.LEGACY
        entry = (await gateway.controller.history("m"))[0]
        assert (entry["what"], entry["who"], entry["from_share"], entry["to_share"]) == ("failed", "controller", 0.2, 0)
        assert entry["reason"] == (
            "errors fails: more callers fail than on the legacy side: 8 failing callers on the extracted side, 0 on the"
            " legacy side"
        )
        (reading,) = entry["readings"]
        assert (reading["result"], reading["numbers"]["extracted"], reading["numbers"]["control"]) == ("fail", 8, 0)
        assert reading["numbers"]["log_e_worse"] > 4.6
        assert entry["configuration"] == gateway.loaded.snapshot.version
        assert entry["callers"] == [
            {"gate": "errors", "side": "extracted", "operation": "m/all", "reason": "status 500", "callers": 8}
        ]

    play(tmp_path / "gateway.yaml", test)


def test_a_promotion_waits_for_every_worker(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        gateway.workers = (2, 1)
        await gateway.turns()
        assert (await gateway.view()).state == "promoting"
        # One that died is replaced by one that gets the newest snapshot.
        gateway.workers = (1, 1)
        await gateway.turns()
        assert await gateway.state() == ("canary", "20")

    play(tmp_path / "gateway.yaml", test)


def test_a_rollback_does_not_wait_for_a_promotion_or_a_worker(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        gateway.workers = (2, 1)
        await gateway.turns()
        gateway.callers(extracted=20, legacy=80, failing=(8, 0))
        await gateway.turns(1)
        assert await gateway.state() == ("rolled back", "legacy")
        assert gateway.migration().stage is Stage.LEGACY

    play(tmp_path / "gateway.yaml", test)


def test_callers_of_an_earlier_step_are_no_evidence_of_this_one(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        first = gateway.migration()
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        second = gateway.migration()
        assert first.counting is not None
        assert second.counting is not None
        assert first.counting.scope != second.counting.scope
        view = await gateway.view()
        assert [(gate.gate, gate.result) for gate in view.gates] == [("errors", "not enough")]
        assert view.gates[0].numbers["extracted"] == 0

    play(tmp_path / "gateway.yaml", test)


def test_another_stage_in_the_configuration_outranks_the_controller_at_once(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        gateway.reload(document(stage="legacy"))
        assert gateway.migration().stage is Stage.LEGACY
        assert not gateway.migration().rolled_out
        await gateway.turns(1)
        view = await gateway.view()
        assert (view.state, view.stage, view.share) == ("waiting", "legacy", 0)
        gateway.reload(document())
        assert gateway.migration().stage is not Stage.CANARY
        await gateway.turns()
        assert await gateway.state() == ("canary", "20")
        assert (await gateway.view()).attempt == 2

    play(tmp_path / "gateway.yaml", test)


def test_another_configuration_of_the_migration_begins_the_proof_anew(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        gateway.reload(document().replace("beta: 0.05", "beta: 0.04"))
        # Before any turn: what was proven was proven of something else.
        assert gateway.migration().threshold == 0
        await gateway.turns()
        assert await gateway.state() == ("canary", "20")
        assert "revised" in await gateway.history()

    play(tmp_path / "gateway.yaml", test)


def test_a_reload_in_the_middle_of_a_promotion_does_not_disturb_it(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        gateway.workers = (2, 0)
        await gateway.turns()
        gateway.reload(document() + "shutdown: {drain: 5s}\n")
        assert gateway.migration().threshold == 2000
        await gateway.turns(1)
        assert (await gateway.view()).state == "promoting"
        gateway.workers = (2, 2)
        await gateway.turns()
        assert await gateway.state() == ("canary", "20")
        assert "revised" not in await gateway.history()

    play(tmp_path / "gateway.yaml", test)
