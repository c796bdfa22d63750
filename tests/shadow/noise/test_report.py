"""A report lists what noise was learned, how often it was used, and what it would have hidden."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from strangler.cli.main import app
from strangler.shadow.evidence.store import ShadowStore, metadata
from strangler.shadow.evidence.unwritten import UnwrittenEvidence
from strangler.shadow.noise.noise import Noise
from strangler.store.database import Database
from tests.shadow.noise.noise_simulation import differences
from tests.shadow.pairs import snapshot

OPERATION = "GET /items/{id}"


def stored(folder: Path, document: bytes) -> tuple[str, str]:
    """The options of a configuration whose store holds a document of learned noise."""
    database = Database(snapshot(folder).store.url, metadata)
    asyncio.run(ShadowStore(database).write(UnwrittenEvidence(noise={"items": document})))
    database.close()
    return "-c", str(folder / "gateway.yaml")


def report(*options: str) -> str:
    return invoke(*options).stdout


def invoke(*options: str) -> Result:
    return CliRunner().invoke(app, ["shadow", "report", "items", *options], env={"COLUMNS": "300"})


def test_a_report_lists_learned_noise_with_uses_and_what_was_held_back(tmp_path: Path) -> None:
    noise = Noise()
    for number in range(200):
        found = differences({"at": number}, {"at": number + 5})
        noise.compared(OPERATION, found)
        noise.asked_twice(OPERATION, found, found, found)
    for _ in range(7):
        noise.sift(OPERATION, differences({"at": 1}, {"at": 3}))
    for _ in range(4):
        noise.sift(OPERATION, differences({"at": 1}, {"at": 900}))
    config = stored(tmp_path, noise.document())
    text = report(*config)
    assert "Noise: where legacy differs from itself" in text
    assert "value $.at" in text
    assert "noise: integer, up to 5 apart" in text
    assert "$.at in 4 pairs: not allowed, farther apart than legacy's own responses" in text
    (one,) = json.loads(report(*config, "--json"))["noise"]
    assert (one["operation"], one["place"], one["used"]) == (OPERATION, "$.at", 7)
    assert one["refused"] == {"farther apart than legacy's own responses": 4}
    report(*config, "--html", str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text()
    assert "4 x farther apart than legacy&#39;s own responses" in html


def test_what_an_older_version_learned_is_not_reported(tmp_path: Path) -> None:
    older = b'{"GET /items/{id}": {"compared": 5, "asked_twice": 5, "places": {}}}'
    assert json.loads(report(*stored(tmp_path, older), "--json"))["noise"] == []


def test_what_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    text = invoke(*stored(tmp_path, b"no JSON")).output
    assert "the learned noise can't be read" in text
    assert "delete the migration's row in shadow_noise" in text.replace("\n", " ")
