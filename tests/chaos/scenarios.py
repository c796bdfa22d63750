"""What goes wrong in production, one function each: it makes it happen under load and says what came of it.

What must hold is stated with each scenario, as `promises`: which figures of its
outcome are zero. Wrong answers, duplicated and lost writes are zero everywhere.
A write that was under way when its endpoint died may fail, because nobody knows
whether it was done (RFC 9110 section 9.2.2); a read may not.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import NotRunnable
from tests.chaos.load import Load
from tests.chaos.stage import Endpoint, Outcome, Stage, split_config, under_load
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.name_server import NameServer
from tests.e2e.redis_server import PROGRAM, RedisServer
from tests.e2e.waiting import wait_for

ALWAYS = ("wrong", "duplicated", "lost")
READS = (*ALWAYS, "failed_reads")
ALL = (*READS, "failed_writes")

# Faults of an endpoint that show before a byte of the answer has reached the client.
BEFORE_THE_ANSWER = ("refuse", "reset-before", "garbage", "stall", "half-open", "unavailable")
# Faults in the middle of an answer: the client must see that it is broken.
IN_THE_ANSWER = ("reset-in-head", "reset-in-body", "short")


@dataclass(frozen=True, slots=True)
class Scenario:
    """`play` makes it happen; the figures of its outcome that `promises` names must be zero."""

    name: str
    title: str
    promises: tuple[str, ...]
    play: Callable[[Stage, float], Awaitable[Outcome]]


SCENARIOS: dict[str, Scenario] = {}


def _scenario(
    title: str, promises: tuple[str, ...]
) -> Callable[[Callable[[Stage, float], Awaitable[Outcome]]], Callable[[Stage, float], Awaitable[Outcome]]]:
    def register(
        play: Callable[[Stage, float], Awaitable[Outcome]],
    ) -> Callable[[Stage, float], Awaitable[Outcome]]:
        name = play.__name__.replace("_", "-")
        SCENARIOS[name] = Scenario(name, title, promises, play)
        return play

    return register


def run(name: str, folder: Path, scale: float = 1.0, fresh: bool = True) -> Outcome:
    """Play the scenario in `folder`; `scale` shortens what lasts and what is repeated, `fresh` is that of `Stage`."""

    async def main() -> Outcome:
        with ExitStack() as stack:
            return await SCENARIOS[name].play(Stage(folder, stack, fresh), scale)

    return asyncio.run(main())


def broken_promises(outcome: Outcome) -> list[str]:
    """The figures that should be zero and are not."""
    return [
        f"{figure} is {getattr(outcome, figure)}"
        for figure in SCENARIOS[outcome.scenario].promises
        if getattr(outcome, figure)
    ]


def killing(endpoint: Endpoint, scale: float) -> Callable[[Load], Awaitable[None]]:
    """Kill `endpoint` under load and start it again, three times at full scale."""

    async def happening(load: Load) -> None:
        for _ in range(max(1, round(3 * scale))):
            await asyncio.to_thread(endpoint.kill)
            await load.answered(300)
            await asyncio.to_thread(endpoint.start)
            await load.answered(300)

    return happening


@_scenario("an endpoint of two is killed and started again", READS)
async def endpoint_killed(stage: Stage, scale: float) -> Outcome:
    legacy, one, two = (stage.endpoint(name) for name in ("monolith", "one", "two"))
    gateway = stage.gateway(split_config(legacy, one, two, health={"path": "/healthz", "interval": "200ms"}))
    tally = await under_load(gateway.port, killing(two, scale))
    return stage.outcome("endpoint-killed", tally, {"one", "two"})


@_scenario("the extracted service is away for 10 s, in stage extracted", READS)
async def service_down(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    gateway = stage.gateway(split_config(legacy, service))

    async def happening(load: Load) -> None:
        await asyncio.to_thread(service.kill)
        await asyncio.sleep(10 * scale)
        await load.answered(100)
        await asyncio.to_thread(service.start)

    tally = await under_load(gateway.port, happening)
    return stage.outcome("service-down", tally, {"orders"})


@_scenario("the extracted service fails in every way before it answers", READS)
async def faults_before_the_answer(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    config = split_config(legacy, service, timeouts={"connect": "500ms", "response": "500ms"})
    gateway = stage.gateway(config)

    async def happening(load: Load) -> None:
        for fault in BEFORE_THE_ANSWER:
            await asyncio.to_thread(service.fault, fault)
            await load.answered(max(20, round(100 * scale)))
            await asyncio.to_thread(service.fault, "none")
            await load.answered(max(20, round(100 * scale)))

    tally = await under_load(gateway.port, happening)
    return stage.outcome("faults-before-the-answer", tally, {"orders"})


@_scenario("the extracted service fails in the middle of its answers", ALWAYS)
async def faults_in_the_answer(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    gateway = stage.gateway(split_config(legacy, service))

    async def happening(load: Load) -> None:
        for fault in (*IN_THE_ANSWER, "trickle"):
            before = load.tally.sent
            await asyncio.to_thread(service.fault, fault)
            while load.tally.sent < before + max(30, 150 * scale):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(service.fault, "none")
            await load.answered(50)

    tally = await under_load(gateway.port, happening)
    return stage.outcome("faults-in-the-answer", tally, {"orders"})


@_scenario("every endpoint takes 400 ms to answer", ALL)
async def all_endpoints_slow(stage: Stage, scale: float) -> Outcome:
    legacy, one, two = (stage.endpoint(name) for name in ("monolith", "one", "two"))
    gateway = stage.gateway(split_config(legacy, one, two))

    async def happening(load: Load) -> None:
        for endpoint in (legacy, one, two):
            await asyncio.to_thread(endpoint.fault, "slow")
        await load.answered(max(50, round(300 * scale)), 60)
        for endpoint in (legacy, one, two):
            await asyncio.to_thread(endpoint.fault, "none")

    tally = await under_load(gateway.port, happening)
    return stage.outcome("all-endpoints-slow", tally, {"one", "two"})


@_scenario("100 reloads under load", ALL)
async def reloads(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    config = split_config(legacy, service)
    gateway = stage.gateway(config)

    async def happening(load: Load) -> None:
        for number in range(max(3, round(100 * scale))):
            more = {"name": f"route{number}", "match": {"path": f"/r{number}"}, "upstream": "monolith"}
            await asyncio.to_thread(gateway.reload, {**config, "routes": [more]})
            await load.answered(10)

    tally = await under_load(gateway.port, happening)
    return stage.outcome("reloads", tally, {"orders"})


@_scenario("100 invalid configurations under load", ALL)
async def invalid_reloads(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    config = split_config(legacy, service)
    gateway = stage.gateway(config)

    def write_and_wait(number: int) -> None:
        gateway.write({**config, f"mistake{number}": 1})
        wait_for(
            lambda: any(f"mistake{number}" in problem for problem in gateway.status()["configuration"]["problems"]),
            "the problem at /status",
        )

    async def happening(load: Load) -> None:
        for number in range(max(3, round(100 * scale))):
            await asyncio.to_thread(write_and_wait, number)
            await load.answered(10)

    tally = await under_load(gateway.port, happening)
    return stage.outcome("invalid-reloads", tally, {"orders"})


def _kill_a_worker(gateway: GatewayProcess, number: int) -> None:
    # In turn: the successors of one that ends early again and again have to wait ever longer.
    victim = gateway.worker_pids()[number % 2]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in gateway.worker_pids() and len(gateway.worker_pids()) == 2, "another worker")


@_scenario("a worker of two is killed (SIGKILL) every second", ALWAYS)
async def workers_killed(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    gateway = stage.gateway(split_config(legacy, service))

    async def happening(load: Load) -> None:
        for number in range(max(2, round(10 * scale))):
            await asyncio.to_thread(_kill_a_worker, gateway, number)
            await load.answered(100)

    tally = await under_load(gateway.port, happening)
    assert not tally.refused_connections, "the port was closed"
    return stage.outcome("workers-killed", tally, {"orders"})


@_scenario("workers are replaced one by one (SIGUSR2)", ALL)
async def workers_replaced(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    gateway = stage.gateway(split_config(legacy, service))

    def replace_all() -> None:
        former = set(gateway.worker_pids())
        gateway.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: not former & set(gateway.worker_pids()), "other workers")
        gateway.wait_ready()

    async def happening(load: Load) -> None:
        for _ in range(max(1, round(5 * scale))):
            await asyncio.to_thread(replace_all)
            await load.answered(100)

    tally = await under_load(gateway.port, happening)
    return stage.outcome("workers-replaced", tally, {"orders"})


@_scenario("the control process is killed (SIGKILL) and started again", ALL)
async def control_killed(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    gateway = stage.gateway(split_config(legacy, service))

    def succeed() -> None:
        gateway.start()
        gateway.wait_ready()

    async def happening(load: Load) -> None:
        for _ in range(max(1, round(3 * scale))):
            gateway.process.kill()
            await asyncio.to_thread(gateway.process.wait)
            await load.answered(100)
            await asyncio.to_thread(succeed)
            await load.answered(100)

    tally = await under_load(gateway.port, happening)
    return stage.outcome("control-killed", tally, {"orders"})


@_scenario("the service's name means other addresses, and the old ones go away", READS)
async def addresses_change(stage: Stage, scale: float) -> Outcome:
    legacy, one = stage.endpoint("monolith"), stage.endpoint("one", "127.0.0.2")
    two = stage.endpoint("two", "127.0.0.3", one.port)
    with NameServer("127.0.0.2") as names:
        resolve = {"interval": "100ms", "nameservers": [f"127.0.0.1:{names.port}"]}
        config = split_config(legacy, f"http://orders.shop.example:{one.port}", resolve=resolve)
        gateway = stage.gateway(config)

        def known() -> set[str]:
            return {each["url"] for each in gateway.status()["upstreams"]["orders"]["endpoints"]}

        def move(old: Endpoint, new: Endpoint) -> None:
            names.addresses = [new.host]
            wait_for(lambda: known() == {new.url}, "the new address")
            old.kill()

        async def happening(load: Load) -> None:
            for _ in range(max(1, round(3 * scale))):
                await asyncio.to_thread(move, one, two)
                await load.answered(100)
                await asyncio.to_thread(one.start)
                await asyncio.to_thread(move, two, one)
                await load.answered(100)
                await asyncio.to_thread(two.start)

        tally = await under_load(gateway.port, happening)
    return stage.outcome("addresses-change", tally, {"one", "two"})


@_scenario("Redis, which holds the rate limits' counts, is stopped, hangs and comes back", ALL)
async def redis_away(stage: Stage, scale: float) -> Outcome:
    if PROGRAM is None:
        raise NotRunnable("redis-server is not installed")
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    with RedisServer(stage.folder) as server:
        config = split_config(legacy, service)
        config["migrations"]["orders"]["rate_limits"] = [{"requests": 1_000_000, "per": "1h"}]
        gateway = stage.gateway({**config, "redis": {"url": server.url, "timeout": "100ms"}})

        async def happening(load: Load) -> None:
            for away, back in ((server.stop, server.start), (server.pause, server.go_on)):
                await asyncio.to_thread(away)
                await load.answered(max(50, round(500 * scale)))
                await asyncio.to_thread(back)
                await load.answered(max(50, round(500 * scale)))

        tally = await under_load(gateway.port, happening)
    return stage.outcome("redis-away", tally, {"orders"})


@_scenario("SIGTERM with requests under way", READS)
async def terminated(stage: Stage, scale: float) -> Outcome:
    legacy, service = stage.endpoint("monolith"), stage.endpoint("orders")
    gateway = stage.gateway(split_config(legacy, service))
    service.fault("slow")
    load = Load(gateway.port)
    await load.answered(max(30, round(100 * scale)))
    gateway.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(gateway.process.wait, 20)
    tally = await load.stop()
    return stage.outcome("terminated", tally, {"orders"})
