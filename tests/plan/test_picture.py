"""A picture finds the same routes as its snapshot, and survives JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.model.route import Route
from strangler.plan.draw import Destination
from strangler.plan.examples import examples
from strangler.plan.picture import PictureError, as_document, from_document, picture_of
from strangler.routing.decide import find_route
from strangler.routing.request import Request
from strangler.routing.split import BUCKETS, choose, side_of_bucket
from tests.plan.configurations import picture

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config/gateway.yaml"


def test_a_picture_survives_json() -> None:
    found = picture_of(load(REFERENCE).snapshot)
    assert from_document(json.loads(json.dumps(as_document(found)))) == found


@pytest.mark.parametrize("document", [None, [], {}, {"routes": 5}, {"version": "x", "routes": [{}]}])
def test_something_else_is_refused(document: object) -> None:
    with pytest.raises(PictureError, match="not the routing of a gateway"):
        from_document(document)


def test_digests_are_the_same_in_every_process() -> None:
    code = (
        "from pathlib import Path; from strangler.config.load import load; from strangler.plan.picture import *;"
        f"print(as_document(picture_of(load(Path({str(REFERENCE)!r})).snapshot)))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "gateway")},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_examples_find_their_route_in_snapshot_and_picture() -> None:
    snapshot = load(REFERENCE).snapshot
    found = picture_of(snapshot)
    for route in found.routes:
        for request in examples(route):
            for searched in (snapshot, found.snapshot()):
                taken = find_route(searched, request)
                assert isinstance(taken, Route)
                assert taken.name == route.name
    assert all(find_route(snapshot, request) is None for request in examples(None))


def test_sides_of_buckets_are_those_of_the_split(tmp_path: Path) -> None:
    migration = picture(tmp_path).migrations["catalog"].migration("catalog")
    destination = Destination("", migration)
    for number in range(300):
        peer = f"10.0.{number // 250}.{number % 250}"
        choice = choose(migration, Request("GET", "/catalog/1", "", "shop.example", [], peer), None)
        assert choice.bucket is not None
        assert choice.side == side_of_bucket(migration, choice.bucket) == destination.side_of(choice.bucket)
    assert sum(side_of_bucket(migration, bucket) == "extracted" for bucket in range(BUCKETS)) == 1000
