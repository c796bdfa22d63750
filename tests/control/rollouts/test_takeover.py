"""A rollout goes on where it was: after a restart, on another gateway, and where two believe to lead."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from strangler.control.rollouts import engine, record_store
from strangler.control.rollouts.election import FileCandidacy, candidacy
from strangler.model.migration import Stage
from strangler.store.database import StoreError
from tests.control.rollouts.stage import Gateway, document, play, run
from tests.e2e.waiting import wait_for
from tests.store.postgresql_server import postgresql_server, programs
from tests.store.test_deadlines import stopped_server

HOLDER = """
import sys, time
from strangler.control.rollouts.election import FileCandidacy, candidacy
assert FileCandidacy(sys.argv[1]).leads()
print("holds", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("turns", range(1, 7))
def test_a_restart_at_any_moment_goes_on_with_the_same_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    # The workers of a gateway that is gone count for a while.
    monkeypatch.setattr(record_store, "ALIVE", 0.5)
    monkeypatch.setattr(engine, "REPORTED_EVERY", 0.0)
    path = tmp_path / "gateway.yaml"
    path.write_text(document())

    async def test() -> None:
        first = Gateway(path)
        await first.start()
        await first.turns(turns)
        before, share = await first.view(), first.migration()
        # Killed: nothing is told to anyone.
        assert first.engine._candidacy is not None
        first.engine._candidacy.resign()
        second = Gateway(path)
        await second.start()
        assert second.migration() == share
        after = await second.view()
        assert (after.state, after.step, after.attempt) == (before.state, before.step, before.attempt)
        await second.until("canary", "20")
        second.callers(extracted=40, legacy=40)
        await second.until("canary", "50")
        history = await second.history()
        assert history == ["begun", "compared", "passed", "acknowledged", "passed", "acknowledged"]
        await second.engine.close()

    run(test)


def test_evidence_of_before_a_restart_counts(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(document())

    async def test() -> None:
        first = Gateway(path)
        await first.start()
        await first.turns()
        first.callers(extracted=10, legacy=10)
        await first.turns(1)
        await first.engine.close()
        second = Gateway(path)
        await second.start()
        await second.turns(1)
        numbers = (await second.view()).gates[0].numbers
        assert numbers["log_e_harmless"] != 0
        second.callers(extracted=10, legacy=10)
        await second.turns(1)
        assert (await second.view()).gates[0].numbers["log_e_harmless"] == numbers["log_e_harmless"]
        await second.engine.close()

    run(test)


def test_of_two_gateways_one_decides_and_both_follow(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(document())

    async def test() -> None:
        one, other = Gateway(path), Gateway(path)
        await one.start()
        await other.start()
        for _ in range(6):
            await one.turns(1)
            await other.turns(1)
        assert (one.engine.leads, other.engine.leads) == (True, False)
        assert one.migration() == other.migration()
        assert one.migration().threshold == 2000
        # Workers of both count, and callers of both.
        assert (await one.view()).workers == 4
        one.callers(extracted=20, legacy=80, failing=(2, 0))
        other.callers(extracted=20, legacy=80, failing=(8, 0))
        await other.turns(1)
        await one.turns(1)
        await other.turns(1)
        assert (await one.view()).gates == ()
        assert await one.state() == await other.state() == ("rolled back", "legacy")
        assert other.migration().stage is Stage.LEGACY
        await one.engine.close()
        await other.turns(2)
        assert other.engine.leads
        await other.engine.close()

    run(test)


def test_a_promotion_waits_for_the_workers_of_every_gateway(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(document())

    async def test() -> None:
        one, other = Gateway(path), Gateway(path)
        await one.start()
        await other.start()
        other.workers = (2, 1)
        for _ in range(8):
            await one.turns(1)
            await other.turns(1)
        assert (await one.view()).state == "promoting"
        other.workers = (2, 2)
        for _ in range(3):
            await other.turns(1)
            await one.turns(1)
        assert await one.state() == ("canary", "20")
        await one.engine.close()
        await other.engine.close()

    run(test)


def test_of_two_that_believe_to_lead_only_one_saves(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(document())

    async def test() -> None:
        one, other = Gateway(path), Gateway(path)
        await one.start()
        await other.start()
        # As behind a pooler that gives both the same session.
        other.engine._candidacy = FileCandidacy(str(tmp_path / "another.lock"))
        for _ in range(12):
            await asyncio.gather(one.turns(1), other.turns(1))
        assert one.engine.leads
        assert other.engine.leads
        assert one.migration() == other.migration()
        # Each transition stands once in the audit.
        assert await one.history() == ["begun", "compared", "passed", "acknowledged"]
        await one.engine.close()
        await other.engine.close()

    run(test)


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holds\n"
        candidacy = FileCandidacy(path)
        assert not candidacy.leads()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert candidacy.leads()
        candidacy.resign()


def test_a_record_that_can_not_be_read_moves_nothing(tmp_path: Path) -> None:
    async def test(gateway: Gateway) -> None:
        await gateway.turns()
        await gateway.engine.store.write(
            lambda _, connection: connection.execute(text("UPDATE rollout_records SET document = '{}'"))
        )
        gateway.callers(extracted=40, legacy=40)
        await gateway.turns()
        assert gateway.migration().threshold == 2000
        assert gateway.engine.problem is not None
        assert gateway.engine.problem.startswith("rollout of m: the record can't be read")

    play(tmp_path / "gateway.yaml", test)


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
def test_a_lock_in_postgresql_ends_with_its_session_and_a_server_that_hangs_holds_no_thread() -> None:
    with postgresql_server() as url:
        one, other = candidacy(url), candidacy(url)
        assert one.leads()
        assert not other.leads()
        with stopped_server(url), pytest.raises(StoreError):
            one.leads()
        # The server sees to the end of a session in its own time.
        wait_for(other.leads, "the other to lead")
        assert not one.leads()
        other.resign()
        wait_for(one.leads, "the first to lead again")
        one.resign()
