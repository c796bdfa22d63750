"""What is kept, for how long, and what a report makes of it; with PostgreSQL, too, where it is installed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from typer.testing import CliRunner

from strangler.cli.main import app
from strangler.config.compile.compare import rules_of
from strangler.config.load import load
from strangler.model.shadow import Keep
from strangler.shadow.evidence.store import ShadowStore, metadata, reset
from strangler.shadow.evidence.stored_evidence import NoSuchEpoch, ReportQuery, epochs_of, report
from strangler.shadow.evidence.stored_pairs import stored_pair, stored_pairs
from strangler.shadow.evidence.tables import bucket_of_latency, latency_of_bucket
from strangler.shadow.evidence.unwritten import RESERVOIR, OutcomeKey, Reservoirs, UnwrittenEvidence
from strangler.shadow.judging.judge import Judge
from strangler.shadow.judging.rejudging import rejudge
from strangler.shadow.pair import NotCompared, Pair, Reason, SideResponse
from strangler.shadow.report.page import page
from strangler.shadow.report.report import ShadowReport
from strangler.store import database as database_module
from strangler.store.database import Database, StoreError
from tests.shadow.pairs import answered, different_pairs, missing, pair, request_for, snapshot
from tests.store.postgresql_server import postgresql_server, programs


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL database, where one can be had."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty store."""
    sqlite = request.param == "sqlite"
    opened = Database(
        f"sqlite:///{tmp_path}/store.sqlite3" if sqlite else request.getfixturevalue("postgresql"), metadata
    )
    opened.read(metadata.drop_all)
    opened.read(metadata.create_all)
    yield opened
    opened.close()


class Bench:
    """A judge of pairs whose sides always give the same responses, and its store."""

    def __init__(self, database: Database, folder: Path, **shadow: Any) -> None:
        self.database = database
        self.store = ShadowStore(database)
        self.snapshot = snapshot(folder, **shadow)
        self.judged: Pair | None = None
        self.judge = Judge(self._again)
        self.judge.apply(self.snapshot, {})
        self.judge.remember(self.store.remembered())

    def run(self, *pairs: Pair) -> None:
        """Judge `pairs`, whose sides give the same responses again, and write."""

        async def main() -> None:
            for self.judged in pairs:
                self.judge.judge(self.judged)
                await self.judge.settle()
            await self.store.write(self.judge.flush())

        asyncio.run(main())

    async def _again(self, endpoint: str, request: bytes, timeout: float, most: int, secure: object) -> SideResponse:
        assert self.judged is not None
        return self.judged.legacy if endpoint == self.judged.legacy.endpoint else self.judged.extracted

    def tested(self, failure: str = "") -> None:
        """A self-test of the present epoch has come out like that."""
        self.judge.tested("items", self.judge.epochs()["items"], time.time(), failure)
        self.run()

    def report(self, **options: Any) -> ShadowReport:
        migration = self.snapshot.migrations["items"]
        return report(self.database, migration, self.snapshot.routes, ReportQuery(time.time() + 60, **options))


def test_a_report_sums_up_what_was_found(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(
        *different_pairs(5, {"a": 1}, {"a": 1}),
        *different_pairs(3, {"a": 1}, {"a": 2}),
        *different_pairs(2, {"a": 1}, missing(Reason.TIMED_OUT), 3),
        pair({"e": 1}, {"e": 1}, status=500),
        *different_pairs(2, {"a": 1}, {"a": 1}),
    )
    bench.judge.count({NotCompared("items", "items/one", "GET /items/{id}", "legacy", Reason.OVERLOAD): 4})
    bench.judge.count({NotCompared("items", "items/one", "GET /items/{id}", "legacy", Reason.SAMPLED_OUT): 9})
    bench.run()
    found = bench.report()
    assert (found.sampled, found.compared, found.matched, found.mismatched, found.unanswered) == (17, 13, 8, 3, 2)
    assert (found.equal_errors, found.repeated) == (1, 2)
    assert found.not_compared == {"sampled out": 9, "overload": 4}
    assert found.failed == {"timed out": 2}
    assert (found.proof.compared, found.proof.wrong, found.proven) == (10, 5, False)
    assert found.failures is not None
    assert (found.failures.compared, found.failures.wrong) == (10, 2)
    assert {one.risk: (one.proof.compared, one.proof.wrong) for one in found.classes} == {
        "high": (10, 2),
        "medium": (10, 3),
        "low": (10, 0),
        "authentication": (0, 0),
    }
    by_path = {one.path: one for one in found.signatures}
    assert [(one.kind, one.risk, one.count) for one in found.signatures] == [
        ("timed out", "high", 2),
        ("value", "medium", 3),
    ]
    example = by_path["$.a"].example
    assert example is not None
    assert example["differences"][0]["legacy"] == "1"
    assert found.unrequested == ("items/all",)
    (operation,) = found.operations
    assert (operation.operation, operation.callers, operation.requests) == ("GET /items/{id}", 5, 5)
    (latency,) = found.latencies
    assert (latency.operation, latency.legacy.count, latency.legacy.errors) == ("GET /items/{id}", 13, 1)
    assert latency.extracted.errors == 3
    assert latency.extracted.p95 == pytest.approx(0.02, rel=0.05)


def test_enough_right_pairs_prove_the_target(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(*different_pairs(332, {"a": 1}, {"a": 1}))
    bench.tested()
    assert bench.report(target=0.01).proven
    missing_pairs = bench.report(target=0.001)
    assert (missing_pairs.proven, missing_pairs.proof.missing) == (False, 3327 - 332)


def test_nothing_is_proven_before_the_comparison_was_tested_in_this_epoch(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(*different_pairs(332, {"a": 1}, {"a": 1}))
    assert bench.report(target=0.01).blocking == (
        "cannot measure: the comparison has not been tested in this epoch yet",
    )
    bench.tested("a known pair came out wrong")
    assert bench.report(target=0.01).blocking == ("cannot measure: a known pair came out wrong",)
    bench.tested()
    assert bench.report(target=0.01).proven


def test_nothing_is_proven_by_less_than_half_of_the_sampled_requests(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(*different_pairs(332, {"a": 1}, {"a": 1}))
    bench.tested()
    bench.judge.count({NotCompared("items", "items/one", "GET /items/{id}", "legacy", Reason.OVERLOAD): 340})
    bench.run()
    (reason,) = bench.report(target=0.01).blocking
    assert reason == "only 49.4 % of the sampled requests were compared, and it takes 50 %"


def test_an_operation_of_which_little_is_known_is_not_proven_by_others(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    rare = pair({"a": 1}, {"a": 1}, request=request_for("/items"))._replace(operation="GET /items", route="items/all")
    bench.run(*different_pairs(400, {"a": 1}, {"a": 1}), rare)
    bench.tested()
    (reason,) = bench.report(target=0.01).blocking
    assert reason.startswith("GET /items: 331 more correct pairs")


def test_restarts_do_not_make_one_caller_into_many(database: Database, tmp_path: Path) -> None:
    for _ in range(20):
        Bench(database, tmp_path).run(*[pair({"a": 1}, {"a": 1})] * 20)
    found = Bench(database, tmp_path).report()
    assert found.matched == 400
    assert found.proof.compared <= 6
    assert (found.callers, found.requests) == (1, 1)
    assert found.is_narrow


def test_a_reset_begins_an_epoch_and_the_older_one_stays_readable(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(*different_pairs(3, {"a": 1}, {"a": 2}))
    before = bench.report()
    database.read(lambda connection: reset(database, connection, "items", "another release", time.time()))
    bench.judge.reset(bench.store.resets())
    bench.run(*different_pairs(2, {"a": 1}, {"a": 1}))
    # The two are told apart by when their last pair came, and these are within one second.
    newest, oldest = epochs_of(database, "items")
    assert (newest.reason, newest.current, oldest.current) == ("reset: another release", True, False)
    found = bench.report()
    assert (found.matched, found.mismatched) == (2, 0)
    assert found.signatures == ()
    assert before.epoch is not None
    older = bench.report(epoch=before.epoch.id)
    assert (older.mismatched, older.signatures[0].count) == (3, 3)
    with pytest.raises(NoSuchEpoch, match="there is no epoch 'x'"):
        bench.report(epoch="x")


def test_counts_go_on_after_a_restart(database: Database, tmp_path: Path) -> None:
    Bench(database, tmp_path).run(pair(1, 2), pair(1, 1))
    again = Bench(database, tmp_path)
    again.run(pair(1, 2), pair(1, 1))
    assert (again.report().matched, again.report().mismatched) == (2, 2)
    assert again.report().signatures[0].count == 2


def test_the_latest_example_and_a_reservoir_are_kept(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    for number in range(40):
        bench.run(pair({"a": number}, {"a": -1}))
    (signature,) = bench.report().signatures
    assert RESERVOIR <= len(signature.examples) <= RESERVOIR + 1
    latest = stored_pair(database, signature.examples[0])
    assert latest is not None
    assert latest["differences"][0]["legacy"] == "39"
    assert len(stored_pairs(database, "items")) == len(signature.examples)


def test_every_pair_has_the_same_chance_to_be_kept() -> None:
    kept = [0] * 50
    for _ in range(400):
        slots: dict[int, int] = {}
        reservoirs = Reservoirs()
        for number in range(50):
            for slot in reservoirs.slots("items", "epoch", "s"):
                slots[slot] = number
        for slot, number in slots.items():
            if slot >= 0:
                kept[number] += 1
    # 40 are expected of each; a first-come reservoir would have 400 and 0.
    assert max(kept) < 100
    assert sum(kept[:25]) / sum(kept) == pytest.approx(0.5, abs=0.1)


def test_old_and_surplus_evidence_is_deleted(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(pair({"a": 1}, {"a": 2}), pair({"b": 1}, {"b": 2}))
    sizes = [one["size"] for one in stored_pairs(database, "items")]
    now = stored_pairs(database, "items")[0]["at"]

    def retain(keep: Keep, at: float) -> None:
        asyncio.run(bench.store.retain({"items": keep}, at))

    retain(Keep(3600.0, sum(sizes)), now)
    assert len(stored_pairs(database, "items")) == 2
    retain(Keep(3600.0, sizes[1]), now)
    (left,) = stored_pairs(database, "items")
    assert left["differences"][0]["path"] == "$.b"
    assert bench.report().mismatched == 2
    retain(Keep(3600.0, 10**9), now + 7200)
    assert stored_pairs(database, "items") == []
    assert bench.report().compared == 0


def test_what_could_not_be_written_is_written_later() -> None:
    older, newer = UnwrittenEvidence(), UnwrittenEvidence()
    key = OutcomeKey("items", "epoch", "r", "o", 0, "match", "", "", True)
    older.outcomes[key] = 2
    newer.outcomes[key] = 3
    newer.merge(older)
    assert newer.outcomes == {key: 5}


def test_percentiles_are_right_to_five_percent() -> None:
    for seconds in (0.00002, 0.0003, 0.0042, 0.051, 0.73, 9.9):
        assert latency_of_bucket(bucket_of_latency(seconds)) == pytest.approx(seconds, rel=0.05)


def test_changed_rules_show_what_they_would_hide(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(pair({"a": 1, "b": 1}, {"a": 2, "b": 1}), pair({"b": 1}, {"b": 2}), pair({"a": 1}, {"a": 1}))
    model = load(tmp_path / "gateway.yaml", {}).model
    unchanged = rejudge(stored_pairs(database, "items"), rules_of(model, "items"))
    assert (unchanged.pairs, unchanged.hidden, unchanged.found) == (3, {}, {})
    text = json.loads((tmp_path / "gateway.yaml").read_text())
    text["migrations"]["items"]["compare"] = {"rules": [{"name": "a is noise", "json": "$.a", "ignore": "value"}]}
    (tmp_path / "changed.yaml").write_text(json.dumps(text))
    changed = rejudge(stored_pairs(database, "items"), rules_of(load(tmp_path / "changed.yaml", {}).model, "items"))
    (by_rule,) = changed.hidden.values()
    assert list(by_rule) == ["a is noise"]
    assert changed.outcomes == {("mismatch", "ignored"): 1, ("mismatch", "mismatch"): 1, ("match", "match"): 1}


def test_pairs_without_values_are_said_not_to_be_rejudged(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path, store="digests")
    bench.run(pair({"a": 1}, {"a": 2}))
    model = load(tmp_path / "gateway.yaml", {}).model
    assert rejudge(stored_pairs(database, "items"), rules_of(model, "items")).without_values == 1


def test_the_page_escapes_what_upstreams_say(database: Database, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    bench.run(pair({"a": "<script>alert(1)</script>"}, {"a": "<img src=x onerror=alert(2)>"}))
    html = page(bench.report())
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    assert 'class="changed"' in html
    assert "http://" not in html.replace("http://127.0.0.1", "")


def test_a_store_that_cannot_be_opened_says_which_and_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="File exists"):
        Database(f"sqlite:///{tmp_path}/file/store.sqlite3", metadata)
    with pytest.raises(StoreError, match="does not exist"):
        Database(f"sqlite:///{tmp_path}/none.sqlite3", metadata, create=False)
    (tmp_path / "text").write_text("not a database" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Database(f"sqlite:///{tmp_path}/text", metadata)


def test_a_store_without_tables_is_waited_for_and_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    (tmp_path / "store.sqlite3").write_bytes(b"")
    monkeypatch.setattr(database_module, "TABLES", 0.0)
    with pytest.raises(StoreError, match="its tables are missing; start the gateway with this store first"):
        Database(url, metadata, create=False)
    monkeypatch.setattr(database_module, "TABLES", 60.0)
    gateway = Timer(0.2, lambda: Database(url, metadata).close())
    gateway.start()
    Database(url, metadata, create=False).close()
    gateway.join()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["shadow", *arguments])
    return result.exit_code, result.output


def test_the_commands_read_the_store_that_the_configuration_names(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite3", metadata)
    bench = Bench(database, tmp_path)
    bench.run(*different_pairs(3, {"a": 1}, {"a": 1}), pair({"a": 1}, {"a": 2}))
    database.close()
    config = ("-c", str(tmp_path / "gateway.yaml"))

    code, output = run("report", "items", *config)
    assert code == 1
    assert "Not proven: cannot measure: the comparison has not been tested in this epoch yet." in output
    assert "1 of 4 pairs is wrong (25 %)" in output
    assert "value at $.a" in output
    assert "No requests for: items/all." in output
    code, output = run("report", "items", *config, "--json", "--since", "1h", "--target", "50")
    found = json.loads(output)
    assert code == 1
    assert (found["compared"], found["mismatched"], found["unrequested"]) == (4, 1, ["items/all"])
    code, output = run("epochs", "items", *config, "--json")
    assert [one["reason"] for one in json.loads(output)] == ["first evidence"]
    assert run("report", "items", *config, "--epoch", json.loads(output)[0]["id"][:6])[0] == 1
    assert run("report", "items", *config, "--epoch", "none")[0] == 2
    code, output = run("reset", "items", *config, "--reason", "another release")
    assert (code, "has begun (reset 1)" in output) == (0, True)
    number = str(found["signatures"][0]["examples"][0])
    assert run("report", "items", *config, "--html", str(tmp_path / "report.html"))[0] == 1
    assert "Shadow report: items" in (tmp_path / "report.html").read_text()

    code, output = run("show", number, *config)
    assert code == 0
    assert "value at $.a: legacy 1, extracted 2" in output
    assert "curl -i -H 'Host: shop.example' -H \"Authorization: Bearer $TOKEN\"" in output
    assert "--path-as-is 'http://127.0.0.1:2/items/1?q=shown'" in output
    assert "abc.def.ghi" not in output
    code, output = run("show", number, *config, "--json")
    assert json.loads(output)["id"] == int(number)
    assert run("show", "4711", *config)[0] == 1

    assert run("rejudge", "items", *config)[0] == 0
    assert run("suggest", "items", *config)[0] == 0
    code, output = run("report", "itmes", *config)
    assert code == 1
    assert "did you mean 'items'?" in output
    assert run("report", "items", *config, "--since", "soon")[0] == 2


def test_without_a_store_the_commands_say_that_nothing_is_there_yet(tmp_path: Path) -> None:
    snapshot(tmp_path)
    code, output = run("report", "items", "-c", str(tmp_path / "gateway.yaml"))
    assert code == 1
    assert "nothing has been stored yet" in output


def test_an_answer_names_its_side() -> None:
    assert answered(1).response.values(b"content-type") == [b"application/json"]
