"""A gateway with a migration for each candidate, traffic for all of them, and what the reports say in the end."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from strangler.config.load import load
from strangler.shadow.evidence.stored_evidence import ReportQuery, report
from strangler.shadow.evidence.tables import metadata
from strangler.shadow.report.report import ShadowReport
from strangler.shadow.report.words import headline
from strangler.store.database import Database
from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.waiting import wait_for
from tests.evidence.candidates import CANDIDATES, TIMEOUT, Candidate
from tests.free_ports import free_ports

CONNECTIONS = 8
"""Of one candidate's traffic."""
RATE = 1000
"""Requests a second of all candidates' traffic, at the most."""


@dataclass(frozen=True)
class Found:
    """What a report said of a candidate."""

    candidate: Candidate
    report: ShadowReport

    @property
    def counts(self) -> dict[str, int]:
        """How many requests came to each outcome that speaks against the candidate, or for it."""
        said = self.report
        return {
            "matched": said.matched,
            "mismatched": said.mismatched,
            "unsteady": said.unsteady,
            "lagging": said.lagged,
            "failed to answer": said.unanswered,
            "racy": said.not_compared.get("racy", 0),
        }

    @property
    def is_named_rightly(self) -> bool:
        """Whether an outcome is counted that the candidate's fault shows in."""
        return self.candidate.right or any(self.counts[word] for word in self.candidate.shows)

    def row(self) -> str:
        """A line of the table in the documentation."""
        told = {word: count for word, count in self.counts.items() if count and word not in ("matched", "racy")}
        against = ", ".join(f"{word} {count:,}" for word, count in told.items())
        verdict = "**proven**" if self.report.proven else "not proven"
        truth = self.candidate.wrong or "nothing"
        return f"| {self.candidate.name} | {truth} | {self.report.sampled:,} | {against or 'nothing'} | {verdict} |"


def configuration(candidates: list[Candidate], ports: dict[str, tuple[int, int]]) -> dict[str, object]:
    """A migration for each candidate; what noise there is gets learned quickly."""
    shadow = {"timeout": f"{int(TIMEOUT * 1000)}ms", "confirm_after": "100ms", "concurrency": 64, "queue": 1000}
    upstreams: dict[str, object] = {}
    migrations: dict[str, object] = {}
    for candidate in candidates:
        name = _slug(candidate)
        legacy, extracted = ports[name]
        upstreams[f"{name}-old"] = {"endpoints": f"http://127.0.0.1:{legacy}"}
        upstreams[f"{name}-new"] = {"endpoints": f"http://127.0.0.1:{extracted}"}
        migrations[name] = {
            "from": f"{name}-old",
            "to": f"{name}-new",
            "stage": "shadow",
            "canary": {"percent": 0, "sticky": ["header:X-Caller"]},
            "shadow": shadow,
            "routes": [{"name": "item", "match": {"path": f"/{name}/{{id}}"}}],
        }
    return {
        "upstreams": upstreams,
        "migrations": migrations,
        "store": {"url": "sqlite:///store.sqlite3"},
        "access_log": {"enabled": False},
    }


def _slug(candidate: Candidate) -> str:
    return candidate.name.replace(" ", "-")


@contextlib.contextmanager
def sides(candidates: list[Candidate]) -> Iterator[dict[str, tuple[int, int]]]:
    """The processes behind the gateway, and their ports by candidate."""
    found = iter(free_ports(2 * len(candidates)))
    ports = {_slug(candidate): (next(found), next(found)) for candidate in candidates}
    arguments = [":".join([candidate.name, *map(str, ports[_slug(candidate)])]) for candidate in candidates]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.evidence.sides", *arguments], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the sides did not start"
        yield ports
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def judge(folder: Path, names: list[str], requests: int, target: float) -> list[Found]:
    """Send `requests` to each of the candidates `names`, and find out what is proven against `target`, a share."""
    candidates = [CANDIDATES[name] for name in names]
    with sides(candidates) as ports, GatewayProcess(folder, configuration(candidates, ports)) as gateway:
        asyncio.run(_traffic(gateway.port, candidates, requests))
        wait_for(lambda: _all_is_known(gateway, candidates, requests), "every request to be accounted for", 120)
        wait_for(lambda: not _untested(folder, candidates), "the self-tests", 120)
    return [Found(candidate, _report(folder, candidate, target)) for candidate in candidates]


def _all_is_known(gateway: GatewayProcess, candidates: list[Candidate], requests: int) -> bool:
    shown = gateway.status()["shadow"]["migrations"]
    return all(_accounted(shown[_slug(candidate)]) >= requests for candidate in candidates)


def _accounted(shown: dict[str, object]) -> int:
    """How many requests ended in an outcome."""
    total = 0
    for value in shown.values():
        if isinstance(value, dict):
            total += sum(value.values())
        elif isinstance(value, int) and not isinstance(value, bool):
            total += value
    return total


def _untested(folder: Path, candidates: list[Candidate]) -> list[str]:
    found = [_report(folder, candidate, 0.01) for candidate in candidates]
    return [one.migration for one in found if any("has not been tested" in reason for reason in one.blocking)]


def _report(folder: Path, candidate: Candidate, target: float) -> ShadowReport:
    snapshot = load(folder / "gateway.yaml").snapshot
    database = Database(snapshot.store.url, metadata, create=False)
    try:
        migration = snapshot.migrations[_slug(candidate)]
        routes = [route for route in snapshot.routes if route.migration is migration]
        return report(database, migration, routes, ReportQuery(time.time(), target=target))
    finally:
        database.close()


async def _traffic(port: int, candidates: list[Candidate], requests: int) -> None:
    async with asyncio.TaskGroup() as group:
        for candidate in candidates:
            numbers = iter(range(requests))
            # No faster than one machine can copy and judge: what is dropped for overload proves nothing.
            pause = max(candidate.world.seconds, requests * len(candidates) / RATE) * CONNECTIONS / requests
            for _ in range(CONNECTIONS):
                group.create_task(_client(port, candidate, numbers, pause))


async def _client(port: int, candidate: Candidate, numbers: Iterator[int], pause: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await _requests(reader, writer, candidate, numbers, pause)
    finally:
        writer.close()
        await writer.wait_closed()


async def _requests(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    candidate: Candidate,
    numbers: Iterator[int],
    pause: float,
) -> None:
    world = candidate.world
    for number in numbers:
        method = world.methods[number % len(world.methods)]
        query = world.query(number)
        target = f"/{_slug(candidate)}/{number // len(world.methods) % world.targets}" + (f"?{query}" if query else "")
        own = {"Host": "shop.example", "X-Number": number, "X-Caller": number % world.callers}
        fields = {**own, **world.fields(number)}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if length and method != "HEAD" and b" 304 " not in head[:20]:
            await reader.readexactly(int(length))
        if pause:
            await asyncio.sleep(pause)


def table(found: list[Found]) -> str:
    """The table of the documentation."""
    lines = [
        "| candidate | truly wrong | requests | counted against it | the report says |",
        "|---|---|---:|---|---|",
        *(one.row() for one in found),
    ]
    return "\n".join(lines) + "\n"


def explained(found: Found) -> str:
    """What a report said, for a test that fails."""
    said = found.report
    return f"{found.candidate.name}: {headline(said)} {found.counts} {said.ignored} {said.not_compared}"
