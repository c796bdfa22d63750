"""The judge's process and its store: one that is away, comes back, or becomes another."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from strangler.control.judge import main as judge_module
from strangler.control.judge import store_state
from strangler.control.judge.main import JudgeProcess
from strangler.control.messages import JudgeBy
from strangler.model.snapshot import Snapshot
from strangler.shadow.evidence.epochs import Epoch, EpochKey
from strangler.shadow.evidence.store import ShadowStore, metadata
from strangler.shadow.evidence.unwritten import Evidence, OutcomeKey, ResponseKey
from strangler.shadow.noise.noise import Noise
from strangler.shadow.pair import Batch
from strangler.store.database import Database
from tests.shadow.pairs import pair, snapshot

KEY = EpochKey("")
ROUTE = ("items", KEY.id, "items/one")


def process(work: Callable[[JudgeProcess], Awaitable[None]]) -> None:
    """Do `work` with the insides of a judge's process."""

    async def main() -> None:
        listening, link = socket.socketpair()
        with listening, link:
            await work(JudgeProcess(listening, link))

    asyncio.run(main())


async def turn(judging: JudgeProcess, compiled: Snapshot) -> None:
    """What happens every two seconds."""
    judging._apply(JudgeBy(compiled, {}, {}))
    await judging._open_store(compiled.store.url)
    await judging._flush()


def fill(url: str) -> None:
    """Have it known that 500 pairs were compared and asked twice, 5,000 in all."""
    noise = Noise()
    for _ in range(500):
        noise.compared("GET /items/{id}", ())
        noise.asked_twice("GET /items/{id}", ())
    evidence = Evidence()
    evidence.noise["items"] = noise.document()
    evidence.outcomes[OutcomeKey(*ROUTE, "GET /items/{id}", 0, "match", "", "", True)] = 5000
    evidence.epochs[("items", KEY.id)] = Epoch("items", KEY, 0.0, 1.0, "first evidence")
    database = Database(url, metadata)
    asyncio.run(ShadowStore(database).write(evidence))
    database.close()


def test_a_store_that_comes_back_is_gone_on_from(tmp_path: Path) -> None:
    compiled = snapshot(tmp_path)
    fill(compiled.store.url)
    (tmp_path / "store.sqlite3").rename(tmp_path / "away")
    (tmp_path / "store.sqlite3").mkdir()

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        assert judging._state.problem() is not None
        judging._take(Batch([pair({"a": 1}, {"a": 1})], {}))
        judging._judge._cases["items"].noise.asked_twice("GET /items/{id}", ())
        judging._judge._cases["items"].noise_changed = True
        await turn(judging, compiled)
        (tmp_path / "store.sqlite3").rmdir()
        (tmp_path / "away").rename(tmp_path / "store.sqlite3")
        await turn(judging, compiled)
        assert judging._state.problem() is None
        assert judging._store is not None
        assert judging._store.remembered().evidence == {ROUTE: 5001}
        assert "items/one" not in judging._judge.favoured()
        learned = Noise.read(judging._store.remembered().learned["items"]).operations["GET /items/{id}"]
        assert (learned.compared, learned.asked_twice) == (501, 501)

    process(work)


def test_another_store_is_begun_with_what_is_in_it(tmp_path: Path) -> None:
    compiled = snapshot(tmp_path)
    fill(compiled.store.url)
    folder = tmp_path / "other"
    folder.mkdir()
    other = snapshot(folder)

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        assert "items/one" not in judging._judge.favoured()
        await turn(judging, other)
        assert "items/one" in judging._judge.favoured()
        assert judging._judge._cases["items"].noise.operations == {}
        await turn(judging, compiled)
        assert "items/one" not in judging._judge.favoured()

    process(work)


def test_a_store_that_changes_while_it_is_written_is_left_after_that(tmp_path: Path) -> None:
    compiled = snapshot(tmp_path)
    folder = tmp_path / "other"
    folder.mkdir()
    other = snapshot(folder)

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        judging._retained_at = float("-inf")
        judging._take(Batch([pair({"a": 1}, {"a": 1})], {}))
        writing = asyncio.create_task(judging._flush())
        await asyncio.sleep(0)
        judging._apply(JudgeBy(other, {}, {}))
        await writing
        assert judging._store is not None
        assert judging._store.remembered().evidence == {ROUTE: 1}

    process(work)


def test_a_pair_that_cannot_be_judged_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = snapshot(tmp_path)

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        judge = judging._judge.judge

        def odd(one: object) -> None:
            if one is pairs[0]:
                raise ValueError("who would have thought")
            judge(pairs[1])

        pairs = [pair({"a": 1}, {"a": 1}), pair({"a": 2}, {"a": 2})]
        monkeypatch.setattr(judging._judge, "judge", odd)
        judging._take(Batch(pairs, {}))
        found = {key: count for key, count in judging._judge.tallies["items"].outcomes.items() if count}
        assert found == {("mismatch", "not judged"): 1, ("match", ""): 1}

    process(work)


def test_what_is_kept_of_a_migration_without_a_shadow_ends_too(tmp_path: Path) -> None:
    compiled = snapshot(tmp_path)

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        assert judging._store is not None
        long_ago = Evidence()
        long_ago.outcomes[OutcomeKey("gone", "epoch", "gone/one", "GET /", 0, "match", "", "", True)] = 1
        await judging._store.write(long_ago)
        assert ("gone", "epoch", "gone/one") in judging._store.remembered().evidence
        judging._retained_at -= judge_module.RETAIN_INTERVAL + 1
        await judging._flush()
        assert judging._store.remembered().evidence == {}

    process(work)


def test_what_waits_for_a_store_is_bounded_and_what_is_dropped_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_module, "MOST_EXAMPLES", 2)
    monkeypatch.setattr(judge_module, "MOST_COUNTS", 10)
    compiled = snapshot(tmp_path)
    (tmp_path / "store.sqlite3").mkdir()

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        judging._take(Batch([pair({"a": number}, {"a": number}) for number in range(5)], {}))
        await judging._flush()
        assert len(judging._unwritten.chosen) == 2
        writing = judging._judged(0.0).writing
        assert (writing.unwritten, writing.lost) == (5, 0)
        assert writing.error is not None
        for number in range(20):
            judging._unwritten.responses[ResponseKey("items", "epoch", "GET /", "legacy", number, 200, 1)] = 1
        await judging._flush()
        writing = judging._judged(0.0).writing
        assert (writing.unwritten, writing.lost) == (0, 5)
        assert not judging._unwritten

    process(work)


def test_a_store_that_is_late_is_an_error_before_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_state, "LATE", 0.05)
    compiled = snapshot(tmp_path)

    async def work(judging: JudgeProcess) -> None:
        await turn(judging, compiled)
        assert judging._store is not None
        goes_on = threading.Event()
        blocking = asyncio.create_task(judging._store.database.write(lambda connection: goes_on.wait(60)))
        judging._take(Batch([pair({"a": 1}, {"a": 1})], {}))
        flushing = asyncio.create_task(judging._flush())
        async with asyncio.timeout(60):
            while judging._state.problem() is None:
                await asyncio.sleep(0.01)
        assert judging._judged(0.0).writing.unwritten == 1
        # What is judged meanwhile counts at once.
        judging._take(Batch([pair({"a": 1}, {"a": 1})], {}))
        judged = judging._judged(0.0)
        assert sum(judged.outcomes["items"].values()) == 2
        assert judged.store_error is not None
        assert "has not answered for" in judged.store_error
        goes_on.set()
        await blocking
        await flushing
        assert judging._state.problem() is None
        assert judging._judged(0.0).writing.unwritten == 1

    process(work)
