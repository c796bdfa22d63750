"""Rollouts with real processes under traffic: a good release goes all the way, a bad one is stopped in time."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import httpx
import pytest

from strangler.routing.split import bucket_of
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import BrokenMessage, Client
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.test_takeover import ended_at_last, kill_control_process
from tests.e2e.waiting import wait_for
from tests.store.postgresql_server import postgresql_server, programs

DEADLINE = 90.0
TOKEN = "a-token-of-a-test-that-nobody-else-has"
PATH = "/products"
JSON = b"Content-Type: application/json"
SHARE = 2000
"""Buckets on the extracted side at the first share of callers."""


@dataclass
class Side:
    """One side of the catalog; `broken` is what it does to callers, and `told` when it responded to whom."""

    upstream: RecordingUpstream
    broken: str = ""

    def __post_init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        self.upstream.on(PATH)(self.respond)

    def respond(self, call: Call) -> None:
        """A list of products, as far as this side works."""
        fields = {name.lower(): value for name, value in call.fields}
        is_copy = b"x-shadow" in fields
        if not is_copy:
            self.told.append((monotonic(), fields[b"x-caller"].decode()))
        if self.broken == "throws" and not is_copy:
            call.answer(b"", status=b"503 Broken")
        elif self.broken == "lies":
            call.answer(b'{"products":[{"name":"cup","price":"9.99"}]}', JSON)
        else:
            call.answer(b'{"products":[{"name":"cup","price":"4.99"}]}', JSON)


class Traffic:
    """Callers who ask for `path` without a pause; `statuses` are all that they got.

    What a worker that is `killed` had in hand is lost, and no error.
    """

    def __init__(self, *ports: int, path: str = PATH, killed: bool = False) -> None:
        self._path = path
        self._lost: tuple[type[Exception], ...] = (ConnectionError, *((BrokenMessage, TimeoutError) if killed else ()))
        self.statuses: set[int] = set()
        self.errors: list[BaseException] = []
        self._stop = threading.Event()
        self._callers = itertools.count()
        self._threads = [threading.Thread(target=self._run, args=(port,)) for port in ports for _ in range(2)]

    def _run(self, port: int) -> None:
        while not self._stop.is_set():
            try:
                with Client(port) as client:
                    for _ in range(20):
                        caller = f"caller-{next(self._callers) % 2000}"
                        response = client.request(self._path, f"X-Caller: {caller}", host="localhost")
                        self.statuses.add(response.status)
                        if response.value(b"Connection") == b"close":
                            break
                        # Otherwise the generator takes the processors that the gateway needs.
                        sleep(0.04)
            except self._lost:
                sleep(0.05)
            except BaseException as error:  # it is judged by the test
                self.errors.append(error)
                return

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


def configuration(legacy: Side, extracted: Side, *, shadowed: bool = False, **more: Any) -> dict[str, Any]:
    """The catalog of two upstreams of the test in rollout."""
    return between(legacy.upstream.url, extracted.upstream.url, PATH, shadowed=shadowed, **more)


def between(legacy: str, extracted: str, path: str, *, shadowed: bool, **more: Any) -> dict[str, Any]:
    """What is at `path` in rollout, with small numbers; unless it is `shadowed` first, by failing callers alone."""
    rollout = {
        "steps": ["shadow", 20, "extracted"] if shadowed else [20, "extracted"],
        "beta": 0.05,
        "floor": 10,
        "watch": "1s",
        "gates": {"equivalence": {"target": 10, "enabled": shadowed}, "latency": {"enabled": False}},
    }
    catalog: dict[str, Any] = {
        "from": "legacy",
        "to": "extracted",
        "stage": "rollout",
        "rollout": rollout,
        "canary": {"sticky": "header:X-Caller"},
        "shadow": {"confirm_after": "10ms", "noise_percent": 0},
        "routes": [{"name": "products", "match": {"path": path, "methods": ["GET"]}}],
    }
    return {
        "upstreams": {
            "legacy": {"endpoints": [legacy]},
            "extracted": {"endpoints": [extracted]},
        },
        "default": "legacy",
        "migrations": {"catalog": catalog},
        "store": {"url": "sqlite:///store.sqlite3"},
        **more,
    }


@pytest.fixture
def legacy() -> Iterator[Side]:
    with RecordingUpstream("legacy") as upstream:
        yield Side(upstream)


@pytest.fixture
def extracted() -> Iterator[Side]:
    with RecordingUpstream("extracted") as upstream:
        yield Side(upstream)


def running(folder: Path, config: dict[str, Any]) -> GatewayProcess:
    """A gateway with two workers that takes orders."""
    folder.mkdir(exist_ok=True)
    return GatewayProcess(folder, config, workers=2, environment={"STRANGLER_ADMIN_TOKEN": TOKEN})


def view(gateway: GatewayProcess) -> dict[str, Any]:
    """Where the rollout of the catalog stands; {} before the first turn."""
    found: dict[str, Any] = gateway.admin("/rollouts").json()["rollouts"].get("catalog", {})
    return found


def wait_state(gateway: GatewayProcess, *states: str) -> dict[str, Any]:
    """Wait until the rollout is in one of these states."""
    try:
        wait_for(lambda: view(gateway).get("state") in states, f"the rollout to be {states}", DEADLINE)
    except AssertionError:
        raise AssertionError(f"waited for {states}: {gateway.admin('/rollouts').text}") from None
    return view(gateway)


def wait_step(gateway: GatewayProcess, step: str) -> None:
    """Wait until the rollout is at this step."""
    wait_for(lambda: view(gateway).get("step") == step, f"the step {step}", DEADLINE)


def history(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """The audit, the oldest entry first."""
    found: list[dict[str, Any]] = gateway.admin("/rollouts/catalog/history").json()
    return found[::-1]


def order(gateway: GatewayProcess, kind: str) -> None:
    """Order something by the admin API."""
    response = httpx.post(
        f"http://127.0.0.1:{gateway.admin_port}/rollouts/catalog/{kind}",
        json={"reason": "a test"},
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=30,
    )
    assert response.status_code == 200, response.text


def buckets(side: Side, since: float) -> set[int]:
    """The buckets of the callers whom a side has served since a moment."""
    return {bucket_of("catalog", caller) for at, caller in side.told if at > since}


def test_a_good_release_goes_from_shadowing_to_extracted_unattended(
    tmp_path: Path, legacy: Side, extracted: Side
) -> None:
    config = configuration(legacy, extracted, shadowed=True)
    with running(tmp_path, config) as gateway, Traffic(gateway.port) as traffic:
        wait_state(gateway, "canary")
        since = monotonic()
        wait_for(lambda: buckets(extracted, since), "callers on the extracted side")
        assert wait_state(gateway, "extracted")["share"] == 1
        audit = history(gateway)
        assert [entry["what"] for entry in audit] == [
            *("begun", "compared"),
            *("passed", "acknowledged") * 2,
            "passed",
        ]
        assert {entry["who"] for entry in audit} == {"controller"}
        # Only callers of the share met the extracted side before the last step.
        shares = [(entry["to_share"], entry["at"]) for entry in audit]
        wall = time() - monotonic()
        last_step = next(at for share, at in shares if share == 1) - wall
        early = {bucket_of("catalog", caller) for at, caller in extracted.told if at < last_step}
        assert early
        assert max(early) < SHARE
        since = monotonic()
        wait_for(lambda: len(buckets(extracted, since)) > 100, "all callers on the extracted side")
        assert not buckets(legacy, since + 1.0)
        assert gateway.metric("strangler_rollout_share", migration="catalog") == 1
        assert gateway.metric("strangler_rollout_state", migration="catalog", state="extracted") == 1
    assert not traffic.errors
    assert traffic.statuses == {200}


@pytest.mark.parametrize(
    ("broken", "stopped_in", "because"),
    [
        ("lies", "proving", "equivalence fails: "),
        ("throws", "canary", "errors fails: more callers fail than on the legacy side: "),
    ],
)
def test_a_bad_release_is_stopped_at_the_step_where_it_must_be(
    tmp_path: Path, legacy: Side, extracted: Side, broken: str, stopped_in: str, because: str
) -> None:
    extracted.broken = broken
    config = configuration(legacy, extracted, shadowed=stopped_in == "proving")
    with running(tmp_path, config) as gateway, Traffic(gateway.port) as traffic:
        state = wait_state(gateway, "rolled back", "extracted")
        assert (state["state"], state["share"]) == ("rolled back", 0)
        entry = history(gateway)[-1]
        assert (entry["what"], entry["from_state"], entry["who"]) == ("failed", stopped_in, "controller")
        assert entry["reason"].startswith(because)
        since = monotonic() + 1.0
        wait_for(lambda: len(buckets(legacy, since)) > 100, "callers on the legacy side")
        assert not buckets(extracted, since)
        if broken == "lies":
            # A body that is wrong is met by nobody.
            assert not extracted.told
    assert not traffic.errors
    # Whom the extracted side failed, the legacy side served.
    assert traffic.statuses == {200}


def test_a_rollback_takes_a_second_to_the_last_worker_and_waits_for_no_promotion(
    tmp_path: Path, legacy: Side, extracted: Side
) -> None:
    config = configuration(legacy, extracted)
    config["migrations"]["catalog"]["rollout"]["gates"]["approval"] = {"before": [20]}
    with running(tmp_path, config) as gateway, Traffic(gateway.port, killed=True) as traffic:
        wait_state(gateway, "holding")
        stopped, _ = gateway.worker_pids()
        # It acknowledges nothing, so the promotion waits for it.
        os.kill(stopped, signal.SIGSTOP)
        try:
            order(gateway, "approve")
            wait_state(gateway, "promoting")
            order(gateway, "rollback")
            assert view(gateway)["state"] == "rolled back"
        finally:
            # A worker that ends while the rollback is published is replaced by one that has it.
            os.kill(stopped, signal.SIGKILL)
        wait_for(lambda: stopped not in gateway.worker_pids() and len(gateway.worker_pids()) == 2, "another worker")
        assert not extracted.told or max(bucket_of("catalog", caller) for _, caller in extracted.told) < SHARE
        order(gateway, "resume")
        wait_state(gateway, "holding")
        order(gateway, "approve")
        wait_state(gateway, "canary", "watching", "extracted")
        since = monotonic()
        wait_for(lambda: len(buckets(extracted, since)) > 3, "callers on the extracted side")
        order(gateway, "rollback")
        decided = history(gateway)[-1]["at"] - (time() - monotonic())
        since = monotonic() + 1.0
        wait_for(lambda: len(buckets(legacy, since)) > 100, "callers on the legacy side")
        assert max(at for at, _ in extracted.told) - decided <= 1.0
    assert not traffic.errors
    assert traffic.statuses == {200}


@pytest.mark.timeout(300)
def test_a_control_process_that_is_killed_in_any_state_goes_on_there(
    tmp_path: Path, legacy: Side, extracted: Side
) -> None:
    config = configuration(legacy, extracted)
    # So that each state lasts until the test is through with it.
    config["migrations"]["catalog"]["rollout"]["gates"]["approval"] = {"before": [20, "extracted"]}
    with (
        running(tmp_path, config) as gateway,
        contextlib.ExitStack() as workers,
        Traffic(gateway.port) as traffic,
    ):
        for state, step, then in (
            ("holding", "legacy", "approve"),
            ("holding", "20 %", "rollback"),
            ("rolled back", "legacy", ""),
        ):
            wait_step(gateway, step)
            wait_state(gateway, state)
            workers.enter_context(ended_at_last(gateway.worker_pids()))
            kill_control_process(gateway)
            gateway.start()
            gateway.wait_ready()
            after = wait_for(lambda: view(gateway), "a turn")
            assert (after["state"], after["step"], after["attempt"]) == (state, step, 1)
            if then:
                order(gateway, then)
        since = monotonic() + 2.0
        wait_for(lambda: len(buckets(legacy, since)) > 100, "callers on the legacy side", DEADLINE)
        assert not buckets(extracted, since)
        assert max(bucket_of("catalog", caller) for _, caller in extracted.told) < SHARE
    assert not traffic.errors
    assert traffic.statuses == {200}


@pytest.mark.timeout(300)
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
def test_of_two_gateways_on_one_database_the_other_goes_on_when_the_leader_is_killed(
    tmp_path: Path, legacy: Side, extracted: Side
) -> None:
    with postgresql_server() as url:
        config = configuration(legacy, extracted, store={"url": url})
        config["migrations"]["catalog"]["rollout"]["gates"]["approval"] = {"before": "extracted"}
        with running(tmp_path / "one", config) as one, running(tmp_path / "other", config) as other:
            leads = wait_for(
                lambda: [each for each in (one, other) if each.admin("/rollouts").json()["leads"]], "a leader"
            )
            assert len(leads) == 1
            leader, follower = (one, other) if leads[0] is one else (other, one)
            with Traffic(one.port, other.port, killed=True) as traffic:
                wait_state(follower, "holding")
                assert (view(follower)["step"], view(follower)["workers"]) == ("20 %", 4)
                order(follower, "approve")
                wait_state(follower, "watching", "extracted")
                with ended_at_last(leader.worker_pids()):
                    kill_control_process(leader)
                wait_for(lambda: follower.admin("/rollouts").json()["leads"], "another leader", DEADLINE)
                order(follower, "rollback")
                assert view(follower)["state"] == "rolled back"
                leader.expected_exit = -signal.SIGKILL
            assert 200 in traffic.statuses
