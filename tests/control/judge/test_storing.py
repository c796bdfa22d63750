"""What the judge finds and its store: a store that is away, comes back, is replaced or is late."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from strangler.control.judge import store_state, storing
from strangler.control.judge.judging import Judging
from strangler.control.judge.storing import Storing
from strangler.control.messages import JudgeBy, StoreReport
from strangler.model.snapshot import Snapshot
from strangler.shadow.evidence.epochs import Epoch, EpochKey
from strangler.shadow.evidence.store import ShadowStore, metadata
from strangler.shadow.evidence.tables import examples
from strangler.shadow.evidence.unwritten import OutcomeKey, RememberedEvidence, UnwrittenEvidence
from strangler.shadow.noise.noise import Noise
from strangler.shadow.pair import Batch, Pair, SideResponse
from strangler.store.database import Database
from tests.shadow.pairs import answered, pair, snapshot

KEY = EpochKey("")
ROUTE = ("items", KEY.id, "items/one")
OPERATION = "GET /items/{id}"


class JudgeWithStore:
    """Judging and storing, as the judge's process joins them; both sides respond with `response` when asked again."""

    def __init__(self, response: object = None) -> None:
        self.response = response
        self.judging = Judging(self._ask_again)
        self.storing = Storing(self.judging)

    async def _ask_again(self, endpoint: str, *request: Any) -> SideResponse:
        return answered(self.response, endpoint=endpoint)

    async def write_to(self, compiled: Snapshot) -> None:
        """Judge by `compiled` from now on, and write to its store what was found."""
        self.judging.apply(JudgeBy(compiled, {}, {}))
        await self.storing.open(compiled.store.url)
        await self.storing.write()

    def take(self, *pairs: Pair) -> None:
        self.judging.take(Batch(list(pairs), {}))

    @property
    def store(self) -> StoreReport:
        return self.storing.report()


def matching() -> Pair:
    return pair({"a": 1}, {"a": 1})


@contextmanager
def opened(compiled: Snapshot) -> Iterator[ShadowStore]:
    database = Database(compiled.store.url, metadata)
    try:
        yield ShadowStore(database)
    finally:
        database.close()


def remembered(compiled: Snapshot) -> RememberedEvidence:
    """What the store holds."""
    with opened(compiled) as store:
        return store.remembered()


def write(compiled: Snapshot, evidence: UnwrittenEvidence) -> None:
    with opened(compiled) as store:
        asyncio.run(store.write(evidence))


def fill(compiled: Snapshot) -> None:
    """Store that 5,000 pairs matched, of which 500 were compared for noise and asked twice."""
    noise = Noise()
    for _ in range(500):
        noise.compared(OPERATION, ())
        noise.asked_twice(OPERATION, ())
    evidence = UnwrittenEvidence()
    evidence.noise["items"] = noise.document()
    evidence.outcomes[OutcomeKey(*ROUTE, OPERATION, 0, "match", "", "", True)] = 5000
    evidence.epochs[("items", KEY.id)] = Epoch("items", KEY, 0.0, 1.0, "first evidence")
    write(compiled, evidence)


def in_folder(folder: Path) -> Snapshot:
    folder.mkdir()
    return snapshot(folder)


def test_evidence_is_added_to_that_of_a_store_that_comes_back(tmp_path: Path) -> None:
    compiled = snapshot(tmp_path, noise_percent=100)
    fill(compiled)
    (tmp_path / "store.sqlite3").rename(tmp_path / "away")
    (tmp_path / "store.sqlite3").mkdir()

    async def main() -> None:
        process = JudgeWithStore({"a": 1})
        await process.write_to(compiled)
        assert process.store.error is not None
        process.take(matching())
        await process.judging.judge.settle()
        await process.storing.write()
        (tmp_path / "store.sqlite3").rmdir()
        (tmp_path / "away").rename(tmp_path / "store.sqlite3")
        await process.write_to(compiled)
        assert process.store.error is None
        assert "items/one" not in process.judging.judge.favoured()

    asyncio.run(main())
    after = remembered(compiled)
    assert after.evidence == {ROUTE: 5001}
    learned = Noise.read(after.learned["items"]).operations[OPERATION]
    assert (learned.compared, learned.asked_twice) == (501, 501)


def test_another_store_brings_its_own_evidence(tmp_path: Path) -> None:
    full, empty = in_folder(tmp_path / "full"), in_folder(tmp_path / "empty")
    fill(full)

    async def main() -> None:
        process = JudgeWithStore()
        favoured = process.judging.judge.favoured
        await process.write_to(full)
        assert "items/one" not in favoured()
        await process.write_to(empty)
        assert "items/one" in favoured()
        await process.write_to(full)
        assert "items/one" not in favoured()

    asyncio.run(main())
    assert remembered(empty).learned == {}


def test_a_write_ends_in_the_store_in_which_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "RETAIN_INTERVAL", -1.0)
    before, after = in_folder(tmp_path / "before"), in_folder(tmp_path / "after")

    async def main() -> None:
        process = JudgeWithStore()
        await process.write_to(before)
        process.take(matching())
        writing = asyncio.create_task(process.storing.write())
        await asyncio.sleep(0)
        process.judging.apply(JudgeBy(after, {}, {}))
        await writing

    asyncio.run(main())
    assert remembered(before).evidence == {ROUTE: 1}


def test_a_pair_that_cannot_be_judged_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judging = Judging()
    judging.apply(JudgeBy(snapshot(tmp_path), {}, {}))
    judge = judging.judge.judge

    def failing(one: Pair) -> None:
        if one is pairs[0]:
            raise ValueError("unforeseen")
        judge(one)

    pairs = [matching(), pair({"a": 2}, {"a": 2})]
    monkeypatch.setattr(judging.judge, "judge", failing)
    judging.take(Batch(pairs, {}))
    counts = {key: count for key, count in judging.judge.tallies["items"].outcomes.items() if count}
    assert counts == {("mismatch", "not judged"): 1, ("match", ""): 1}


def test_retention_covers_migrations_without_a_shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = snapshot(tmp_path)
    long_ago = UnwrittenEvidence()
    long_ago.outcomes[OutcomeKey("gone", "epoch", "gone/one", "GET /", 0, "match", "", "", True)] = 1
    write(compiled, long_ago)
    assert ("gone", "epoch", "gone/one") in remembered(compiled).evidence
    monkeypatch.setattr(storing, "RETAIN_INTERVAL", -1.0)
    asyncio.run(JudgeWithStore().write_to(compiled))
    assert remembered(compiled).evidence == {}


def test_examples_that_wait_for_a_store_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_EXAMPLES", 2)
    compiled = snapshot(tmp_path)
    (tmp_path / "store.sqlite3").mkdir()

    async def main() -> None:
        process = JudgeWithStore()
        await process.write_to(compiled)
        process.take(*(pair({"a": number}, {"a": number}) for number in range(5)))
        await process.storing.write()
        assert (process.store.unwritten, process.store.lost) == (5, 0)
        (tmp_path / "store.sqlite3").rmdir()
        await process.write_to(compiled)
        assert (process.store.unwritten, process.store.lost) == (0, 0)

    asyncio.run(main())
    with opened(compiled) as store:
        count = select(func.count()).select_from(examples)
        assert store.database.read(lambda connection: connection.execute(count).scalar_one()) == 2


def test_counts_beyond_the_bound_are_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_COUNTS", 10)
    compiled = snapshot(tmp_path)
    (tmp_path / "store.sqlite3").mkdir()

    async def main() -> None:
        process = JudgeWithStore()
        await process.write_to(compiled)
        # Each status has a count of its own on each side.
        process.take(*(pair({"a": 1}, {"a": 1}, status=210 + number) for number in range(10)))
        await process.storing.write()
        assert (process.store.unwritten, process.store.lost) == (0, 10)

    asyncio.run(main())


def test_a_late_store_is_a_problem_while_it_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_state, "LATE", 0.05)
    compiled = snapshot(tmp_path)

    async def main() -> None:
        process = JudgeWithStore()
        await process.write_to(compiled)
        with closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            process.take(matching())
            writing = asyncio.create_task(process.storing.write())
            async with asyncio.timeout(60):
                while process.store.error is None:
                    await asyncio.sleep(0.01)
            assert process.store.unwritten == 1
            # Pairs that are judged meanwhile count at once.
            process.take(matching())
            report = process.judging.report(process.store, 0.0)
            assert sum(report.outcomes["items"].values()) == 2
            assert "has not responded for" in (report.store.error or "")
            other.execute("ROLLBACK")
            await writing
        assert process.store.error is None
        assert process.store.unwritten == 1

    asyncio.run(main())
