"""Counting in a Redis that refuses, or is a cluster: each trouble has its name, and none is taken for silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis import exceptions

from strangler.model.rate_limits import Redis
from strangler.proxy.rate_limits import redis_counts as shared_counts
from strangler.proxy.rate_limits.redis_counts import SharedCounts
from strangler.proxy.rate_limits.redis_trouble import Trouble, trouble_of
from strangler.resilience.gcra import SECOND, Rate, Verdict
from tests.e2e.redis_server import PROGRAM, RedisServer
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed")
RATE = Rate(3600 * SECOND, 5)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


def counting(url: str, test: Callable[[SharedCounts, list[Trouble | None]], Awaitable[None]]) -> None:
    """Run `test` with counts in the Redis at `url`, and a list of what was told of it."""

    async def main() -> None:
        told: list[Trouble | None] = []
        counts = SharedCounts(Redis(url, timeout=10), told.append)
        try:
            async with asyncio.timeout(60):
                await test(counts, told)
        finally:
            counts.close()
            # Until its connection is closed, too.
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)

    asyncio.run(main())


async def asked(counts: SharedCounts, *buckets: str) -> list[Verdict] | None:
    answer: asyncio.Future[list[Verdict] | None] = asyncio.get_running_loop().create_future()
    counts.ask(buckets, [RATE] * len(buckets), answer.set_result)
    return await answer


def causes(told: list[Trouble | None]) -> list[str]:
    return ["" if one is None else one.cause for one in told]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "read-only"),
        (
            exceptions.ResponseError(
                "Error running script (call to f_0): @user_script:18: -READONLY You can't write against a replica."
            ),
            "read-only",
        ),
        (exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "out of memory"),
        (exceptions.ResponseError("OOM command not allowed"), "out of memory"),
        (exceptions.AuthenticationError("invalid username-password pair or user is disabled."), "wrong password"),
        (exceptions.AuthenticationError("Authentication required."), "password required"),
        (exceptions.NoPermissionError("this user has no permissions to run the 'evalsha' command"), "not permitted"),
        (exceptions.ClusterCrossSlotError("Keys in request don't hash to the same slot"), "CROSSSLOT"),
        (exceptions.ResponseError("CROSSSLOT Keys in request don't hash to the same slot"), "CROSSSLOT"),
        (exceptions.ClusterDownError("CLUSTERDOWN The cluster is down"), "cluster down"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "writes refused"),
        (exceptions.ResponseError("ERR something new"), "an error"),
        (exceptions.ConnectionError("Connection refused"), "no connection"),
        (ConnectionRefusedError(111, "Connection refused"), "no connection"),
        (TimeoutError(), "no response in time"),
        (exceptions.TimeoutError("Timeout reading from socket"), "no response in time"),
        (ValueError("not enough values"), "unintelligible response"),
    ],
)
def test_each_trouble_has_a_name_and_silence_is_one_of_its_own(error: Exception, cause: str) -> None:
    found = trouble_of(error)
    assert found.cause == cause
    assert found.silent == (cause in ("no connection", "no response in time"))
    assert found.do


@needs_redis
@pytest.mark.parametrize(
    ("spoil", "cause", "mend"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), "read-only", ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "maxmemory", "1"), "out of memory", ("CONFIG", "SET", "maxmemory", "0")),
        (("ACL", "SETUSER", "counter", "-evalsha"), "not permitted", ("ACL", "SETUSER", "counter", "+evalsha")),
        (
            ("ACL", "SETUSER", "counter", "resetpass", ">other"),
            "wrong password",
            ("ACL", "SETUSER", "counter", ">right"),
        ),
    ],
)
def test_a_redis_that_refuses_is_told_once_and_found_again_once_it_counts(
    redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    spoil: tuple[str, ...],
    cause: str,
    mend: tuple[str, ...],
) -> None:
    monkeypatch.setattr(shared_counts, "PROBE_INTERVAL", 0.02)
    redis.command("ACL", "SETUSER", "counter", "on", ">right", "~strangler:{rate}:*", "+@all")

    async def test(counts: SharedCounts, told: list[Trouble | None]) -> None:
        assert await asked(counts, "a", "b") is not None
        redis.command(*spoil)
        if "password" in cause:
            redis.command("CLIENT", "KILL", "USER", "counter")
        assert await asked(counts, "a") is None
        assert counts.away
        # Several probes long: a probe that only connects would find a Redis that seems well.
        await asyncio.sleep(0.3)
        if "password" in cause:
            # The connection that was killed is one trouble, and what the next one meets is another.
            assert causes(told)[-1] == cause
        else:
            assert causes(told) == [cause]
        redis.command(*mend)
        while counts.away:
            await asyncio.sleep(0.01)
        assert causes(told)[-1] == ""
        assert causes(told).count("") == 1
        assert await asked(counts, "a") is not None

    counting(redis.url.replace("redis://", "redis://counter:right@"), test)


@needs_redis
def test_a_redis_that_fails_soon_again_is_tried_ever_later(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "PROBE_INTERVAL", 0.01)
    intervals: list[float] = []

    async def test(counts: SharedCounts, told: list[Trouble | None]) -> None:
        for _ in range(4):
            assert await asked(counts, "a") is not None
            redis.command("CONFIG", "SET", "maxmemory", "1")
            assert await asked(counts, "a") is None
            redis.command("CONFIG", "SET", "maxmemory", "0")
            while counts.away:
                await asyncio.sleep(0.005)
            intervals.append(counts.probe_interval)

    counting(redis.url, test)
    assert intervals == [0.01, 0.02, 0.04, 0.08]


@needs_redis
def test_a_cluster_counts_several_limits_of_a_request_together(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--cluster-enabled", "yes") as node:
        node.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"cluster_state:ok" in _info(node), "the cluster")

        async def test(counts: SharedCounts, told: list[Trouble | None]) -> None:
            for left in (4, 3, 2):
                verdicts = await asked(counts, "caller a", "everybody")
                assert verdicts is not None, causes(told)
                assert [verdict.remaining for verdict in verdicts] == [left, left]
            assert told == []

        counting(node.url, test)
        keys = node.keys()
        assert len(keys) == 2
        assert len({node.command("CLUSTER", "KEYSLOT", key) for key in keys}) == 1


@needs_redis
def test_the_node_of_a_cluster_that_has_the_counts_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "PROBE_INTERVAL", 0.02)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    buses = free_ports(2)
    options = [("--cluster-enabled", "yes", "--cluster-port", str(bus)) for bus in buses]
    with RedisServer(folders[0], *options[0]) as asked_first, RedisServer(folders[1], *options[1]) as owner:
        slot = int(str(owner.command("CLUSTER", "KEYSLOT", "strangler:{rate}:x")))
        owner.command("CLUSTER", "ADDSLOTSRANGE", slot, slot)
        others = (0, slot - 1, slot + 1, 16383)
        asked_first.command("CLUSTER", "ADDSLOTSRANGE", *others)
        asked_first.command("CLUSTER", "SET-CONFIG-EPOCH", 1)
        owner.command("CLUSTER", "SET-CONFIG-EPOCH", 2)
        asked_first.command("CLUSTER", "MEET", "127.0.0.1", owner.port, buses[1])
        wait_for(lambda: all(b"cluster_state:ok" in _info(one) for one in (asked_first, owner)), "the cluster", 60)

        async def test(counts: SharedCounts, told: list[Trouble | None]) -> None:
            for left in (4, 3):
                verdicts = await asked(counts, "a", "b")
                assert verdicts is not None, causes(told)
                assert [verdict.remaining for verdict in verdicts] == [left, left]
            assert told == []

        counting(asked_first.url, test)
        assert len(owner.keys()) == 2
        assert asked_first.keys() == []


def _info(node: RedisServer) -> bytes:
    found = node.command("CLUSTER", "INFO")
    return found if isinstance(found, bytes) else str(found).encode()
