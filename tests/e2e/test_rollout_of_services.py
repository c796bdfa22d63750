"""The reference system's catalog in rollout: the service goes all the way, a wrong variant of it is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from extracted.catalog.tests.both_sides import both_sides
from extracted.catalog.tests.sides import MONOLITH
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.preloaded import run_preloaded
from tests.e2e.test_rollout import Traffic, between, history, running, wait_state

PRODUCT = "/api/catalog/products/7"
BUG = "rounding"

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")


class Rollout(NamedTuple):
    """A gateway that moves the catalog from the monolith to a service, and its callers."""

    gateway: GatewayProcess
    traffic: Traffic


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Rollout]]:
    """One rollout for each variant of the service, at the same time, as most of it is waiting."""
    folder = tmp_path_factory.mktemp("catalog")
    with both_sides(folder, BUG) as found, ExitStack() as stack:
        started = {}
        for bug, sides in found.items():
            legacy, extracted = (f"http://127.0.0.1:{port}" for port in (sides.monolith, sides.service))
            config = between(legacy, extracted, "/api/catalog/**", shadowed=True)
            gateway = stack.enter_context(running(folder / f"gateway{bug}", config))
            started[bug] = Rollout(gateway, stack.enter_context(Traffic(gateway.port, path=PRODUCT)))
        yield started


def test_the_catalog_goes_from_the_monolith_to_its_service_unattended(rollouts: Mapping[str, Rollout]) -> None:
    gateway, traffic = rollouts[""]
    assert wait_state(gateway, "extracted", "rolled back")["state"] == "extracted"
    audit = history(gateway)
    assert [entry["from_state"] for entry in audit] == [
        *("waiting", "shadowing", "proving"),
        *("promoting", "canary", "promoting", "watching"),
    ]
    assert {entry["who"] for entry in audit} == {"controller"}
    assert not traffic.errors
    assert traffic.statuses == {200}


def test_a_catalog_that_rounds_prices_is_stopped_before_a_caller_meets_it(rollouts: Mapping[str, Rollout]) -> None:
    gateway, traffic = rollouts[BUG]
    assert wait_state(gateway, "rolled back", "extracted")["state"] == "rolled back"
    audit = history(gateway)
    assert [entry["what"] for entry in audit] == ["begun", "compared", "failed"]
    entry = audit[-1]
    assert (entry["from_state"], entry["who"], entry["from_share"]) == ("proving", "controller", 0)
    assert entry["reason"].startswith("equivalence fails: ")
    assert "/api/catalog/" in entry["reason"]
    report = run_preloaded("shadow", "report", gateway.path, "catalog", "--json")
    signatures = json.loads(report.stdout)["signatures"]
    assert {(one["path"], one["kind"]) for one in signatures} == {("$.price", "value")}
    assert not traffic.errors
    assert traffic.statuses == {200}
