"""A gateway and rollouts for the admin API to show, whose parts a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import httpx
from starlette.applications import Starlette

from strangler.config.compile.admin import AdminAccess, AdminToken
from strangler.control.admin.api import application
from strangler.control.rollouts.errors import NotPermitted, UnknownMigration
from strangler.control.rollouts.views import AuditDocument, FreezeView, RolloutsView, RolloutView
from strangler.model.listener import ListenAddress
from strangler.model.snapshot import Snapshot
from strangler.rollout.evidence import CommandKind
from strangler.store.database import StoreError
from strangler.traffic.week import Week

LOOPBACK = ListenAddress("127.0.0.1", 8081)
OPERATE = "o" * 32
READ = "r" * 32


def token(name: str, secret: str, may: Literal["read", "operate"]) -> AdminToken:
    return AdminToken(name, may, sha256(secret.encode()).digest())


ACCESS = AdminAccess((token("ada", OPERATE, "operate"), token("prometheus", READ, "read")))


@dataclass
class ShownGateway:
    """What the admin API is given to show."""

    snapshot: Snapshot
    access: AdminAccess = ACCESS
    reason: str | None = None
    problems: list[str] = field(default_factory=list)
    traffic: Week | None = None

    def why_not_ready(self) -> str | None:
        return self.reason

    def degraded(self) -> list[str]:
        return self.problems

    async def metrics(self) -> bytes:
        return b"strangler_workers 2.0\n"

    async def status(self) -> dict[str, Any]:
        return {"ready": self.reason is None}

    async def week(self) -> Week:
        if self.traffic is None:
            raise StoreError("no traffic is counted: the configuration names no store")
        return self.traffic


def rollout_view(name: str = "items", **changes: Any) -> RolloutView:
    """A rollout that collects evidence at 5 %."""
    values: dict[str, Any] = {
        "migration": name,
        "state": "canary",
        "held": None,
        "stage": None,
        "step": "5",
        "steps": ("shadow", "1", "5", "extracted"),
        "next_step": "extracted",
        "share": 0.05,
        "attempt": 1,
        "revision": "r1",
        "since": 1_800_000_000.0,
        "reason": "",
        "paused": None,
        "stuck": None,
        "gates": (),
        "missing": "errors needs about 40 more failing callers on either side",
        "seconds_to_go": 7200.0,
        "dry_run": False,
        "writes": None,
        "workers": 2,
        "acknowledged": 2,
    }
    return RolloutView(**values | changes)


@dataclass
class GivenRollouts:
    """Rollouts that note the orders which they get."""

    orders: list[tuple[Any, ...]] = field(default_factory=list)
    frozen: FreezeView | None = None
    views: dict[str, RolloutView] = field(default_factory=lambda: {"items": rollout_view()})

    async def status(self) -> RolloutsView:
        return RolloutsView("gateway-1", True, None, self.frozen, self.views)

    async def history(self, migration: str, limit: int = 100) -> list[AuditDocument]:
        self._known(migration)
        return [{"migration": migration, "what": "passed", "who": "controller"}][:limit]

    async def command(
        self, migration: str, kind: CommandKind, *, by: str, reason: str = "", force: bool = False
    ) -> RolloutsView:
        self._known(migration)
        if kind is CommandKind.APPROVE:
            raise NotPermitted("the next step needs no approval")
        self.orders.append((migration, kind, by, reason, force))
        return await self.status()

    async def freeze(self, *, by: str, reason: str) -> RolloutsView:
        self.frozen = FreezeView(by, 1_800_000_000.0, reason)
        return await self.status()

    async def unfreeze(self, *, by: str, reason: str = "") -> RolloutsView:
        if self.frozen is None:
            raise NotPermitted("there is no freeze")
        self.frozen = None
        return await self.status()

    def _known(self, migration: str) -> None:
        if migration not in self.views:
            raise UnknownMigration(f"there is no migration '{migration}'")


@dataclass
class AdminApi:
    """The admin API of a gateway, requested in this process."""

    gateway: ShownGateway
    rollouts: GivenRollouts = field(default_factory=GivenRollouts)
    listener: ListenAddress = LOOPBACK

    def __post_init__(self) -> None:
        self.app: Starlette = application(self.gateway, self.rollouts, self.listener)

    def request(self, method: str, path: str, *, token: str = "", **options: Any) -> httpx.Response:
        """The response; `headers` in `options` may name other hosts and origins."""
        headers: Mapping[str, str] = {"Host": "localhost:8081", **options.pop("headers", {})}
        if token:
            headers = {**headers, "Authorization": f"Bearer {token}"}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8081") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """The response to a GET."""
        return self.request("GET", path, **options)

    def status_of(self, method: str, path: str, headers: list[tuple[str, str]]) -> int:
        """The status of the response to a request with exactly these headers."""

        async def send() -> int:
            transport = httpx.ASGITransport(self.app)
            request = httpx.Request(method, f"http://localhost:8081{path}")
            request.headers = httpx.Headers(headers)
            return (await transport.handle_async_request(request)).status_code

        return asyncio.run(send())
