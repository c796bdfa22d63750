"""What every scenario needs: upstreams that can fail, a gateway before them, a load, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.load import Load, Tally
from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

# Without verifying, which nothing here needs: reading the certificates takes longer than a request.
_ASKING = httpx.Client(trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario.

    `right` are answers by whoever should have given them, `fallback` those that
    the monolith gave instead. `duplicated` are writes that an upstream did more
    than once, `lost` those that were answered as done and which nobody did.
    `p99_ms` is of right answers over the whole scenario.
    """

    scenario: str
    sent: int
    right: int
    fallback: int
    failed_reads: int
    failed_writes: int
    wrong: int
    duplicated: int
    lost: int
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.scenario}: sent {self.sent}, right {self.right}, by fallback {self.fallback}, "
            f"failed reads {self.failed_reads}, failed writes {self.failed_writes}, wrong {self.wrong}, "
            f"duplicated writes {self.duplicated}, lost writes {self.lost}, p99 {self.p99_ms:.0f} ms"
        )


class Endpoint:
    """A process of `faulty_upstream`, started at once."""

    def __init__(self, name: str, folder: Path, stack: ExitStack, host: str, port: int | None) -> None:
        self.name = name
        self.host = host
        free, self._control = free_ports(2)
        self.port = port or free
        self._writes = folder / f"writes-{name}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        stack.callback(self.kill)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Start the process and wait until it answers."""
        arguments = [self.name, self.host, str(self.port), str(self._control), str(self._writes)]
        self._process = subprocess.Popen([sys.executable, "-m", "tests.chaos.faulty_upstream", *arguments], cwd=ROOT)
        wait_for(self._answers, f"the upstream {self.name}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def fault(self, name: str) -> None:
        """Let this go wrong with every request from now on; `none` is health."""
        assert self._ask(f"/fault/{name}")["fault"] == name

    def writes(self) -> Counter[str]:
        """How often each write was done, in all its lives."""
        return Counter(self._writes.read_text().split())

    def _answers(self) -> bool:
        try:
            return bool(self._ask("/"))
        except httpx.TransportError:
            return False

    def _ask(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(_ASKING.post(f"http://127.0.0.1:{self._control}{path}").text)
        return answer


class Stage:
    """A folder, endpoints and a gateway for one scenario; ended by `stack`.

    `fresh` starts the gateway as an operator does (see `GatewayProcess`).
    """

    def __init__(self, folder: Path, stack: ExitStack, fresh: bool = False) -> None:
        self.folder = folder
        self._fresh = fresh
        self._stack = stack
        self._endpoints: list[Endpoint] = []

    def endpoint(self, name: str, host: str = "127.0.0.1", port: int | None = None) -> Endpoint:
        """One more endpoint, on any free port unless told."""
        endpoint = Endpoint(name, self.folder, self._stack, host, port)
        self._endpoints.append(endpoint)
        return endpoint

    def gateway(self, config: Mapping[str, Any], workers: int = 2) -> GatewayProcess:
        """A running gateway with two workers; its access log goes to a file, as it would in production."""
        return self._stack.enter_context(GatewayProcess(self.folder, config, workers=workers, fresh=self._fresh))

    def outcome(self, scenario: str, tally: Tally, expected: set[str]) -> Outcome:
        """What `tally` says, `expected` being the names of who should have answered."""
        done: Counter[str] = Counter()
        for endpoint in self._endpoints:
            done += endpoint.writes()
        right = sum(count for name, count in tally.by.items() if name in expected)
        failed = tally.failed.total()
        return Outcome(
            scenario=scenario,
            sent=tally.sent,
            right=right,
            fallback=tally.right - right,
            failed_reads=tally.failed_reads,
            failed_writes=failed - tally.failed_reads,
            wrong=len(tally.wrong),
            duplicated=sum(1 for count in done.values() if count > 1),
            lost=sum(1 for nonce in tally.written if not done[nonce]),
            p99_ms=tally.p99() * 1000,
        )


async def under_load(port: int, happening: Callable[[Load], Awaitable[None]], **options: Any) -> Tally:
    """The tally of a load while `happening` runs, from well before it to well after it."""
    load = Load(port, **options)
    await load.answered(200)
    await happening(load)
    await load.answered(200)
    return await load.stop()


def split_config(legacy: Endpoint, *extracted: Endpoint | str, **more: Any) -> dict[str, Any]:
    """One migration, `legacy` to the endpoints `extracted`, in stage extracted; `more` is of the upstream `orders`."""
    return {
        "upstreams": {
            "monolith": {"endpoints": [legacy.url]},
            "orders": {"endpoints": [getattr(each, "url", each) for each in extracted], **more},
        },
        "default": "monolith",
        "migrations": {
            "orders": {
                "from": "monolith",
                "to": "orders",
                "stage": "extracted",
                "routes": [{"match": {"path": "/orders"}}],
            }
        },
    }
