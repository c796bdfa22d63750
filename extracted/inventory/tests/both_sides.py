"""The monolith and this service with the same stock, both as processes; and services that are wrong on purpose."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
from anyio.from_thread import start_blocking_portal

from inventory_service.app import build_app
from inventory_service.database import open_engine, open_source
from inventory_service.fill import fill
from inventory_service.migrate import migrate
from inventory_service.settings import monolith_database_url, read_settings

from .conftest import Issuer
from .sides import Answer, Case, Sides, converse, run, seed_monolith, serving, serving_monolith

COMMAND = [sys.executable, "-m", "inventory_service"]
JSON = "Content-Type: application/json"

Send = Callable[..., Answer]


@contextlib.contextmanager
def both_sides(folder: Path) -> Iterator[Sides]:
    """The two sides. `{user}` is a token for the monolith, `{service}` one for the service."""
    shop, issuer = folder / "shop.sqlite3", Issuer()
    (folder / "jwks.json").write_bytes(issuer.document())
    seed_monolith(shop, {})
    service = environment(folder, "")
    run([*COMMAND, "fill"], folder, service)
    with (
        serving_monolith(shop, {}, folder / "shop.log") as monolith,
        serving([*COMMAND, "serve"], folder, service, folder / "inventory.log") as served,
    ):
        texts = {"user": issued_token(monolith.port, "alice"), "service": issuer.token()}
        yield Sides(monolith.port, served.port, texts)


@contextlib.contextmanager
def wrong_service(folder: Path, bug: str) -> Iterator[Send]:
    """A service in this process that has a bug, filled as the other one was at its start."""
    variables = environment(folder, bug)
    source, target = open_source(monolith_database_url(variables)), open_engine(variables["DATABASE_URL"])
    migrate(target)
    fill(source, target)
    source.dispose()
    target.dispose()
    app = build_app(read_settings(variables))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inventory")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        portal.wrap_async_context_manager(client),
    ):

        def send(method: str, target: str, token: str, body: bytes = b"") -> Answer:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            response = portal.call(partial(client.request, method, target, content=body, headers=headers))
            return Answer(response.status_code, tuple(sorted(response.headers.items())), response.content)

        yield send


def environment(folder: Path, bug: str) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{folder}/inventory{bug}.sqlite3",
        "MONOLITH_DATABASE_URL": str(folder / "shop.sqlite3"),
        "CALLERS": f"orders={folder}/jwks.json",
        "PORT": "0",
        "INVENTORY_BUG": bug,
    }


def issued_token(monolith: int, name: str) -> str:
    body = json.dumps({"name": name, "password": f"{name}-password"}).encode()
    message = Case(200, "POST", "/api/auth/token", (JSON,), body).message({})
    return str(json.loads(Answer.read(converse(monolith, message)).body)["access_token"])
