"""The shop's writing half on real sockets: inventory, payments with the fake provider, and orders.

Orders is a process, for tests to kill. The others are servers in a thread of the test's process, which saves each test
the seconds that three more processes take to start. The catalog is the extracted one, or the monolith as a process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import catalog_service.database as catalog_database
import catalog_service.migrate as catalog_migrate
import httpx
import inventory_service.database as inventory_database
import jwt
import payments_service.database as payments_database
import payments_service.migrate as payments_migrate
import sqlalchemy as sa
import uvicorn
from catalog_service.app import build_app as build_catalog
from catalog_service.schema import categories, products
from catalog_service.settings import read_settings as read_catalog_settings
from cryptography.hazmat.primitives.asymmetric import rsa
from fake_provider.app import build_app as build_provider
from inventory_service.app import build_app as build_inventory
from inventory_service.fill import fill as fill_from_monolith
from inventory_service.migrate import migrate as migrate_inventory
from inventory_service.schema import stock
from inventory_service.settings import read_settings as read_inventory_settings
from orders_service.app import build_app as build_orders
from orders_service.service_tokens import ServiceTokens, read_keys
from orders_service.settings import read_settings as read_orders_settings
from payments_service.app import build_app as build_payments
from payments_service.settings import read_settings as read_payments_settings
from starlette.applications import Starlette

from tests.free_ports import free_ports

ROOT = Path(__file__).parents[2]
MONOLITH = ROOT / "legacy_monolith"
ORDERS_COMMAND = [sys.executable, "-m", "orders_service", "serve"]
ISSUER = "https://id.shop.example"
PRODUCTS = range(1, 11)
STOCK = 1000
"""Of each product, where there is no monolith."""
DEADLINE = 60
"""Seconds for whatever has to come about."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass(slots=True)
class ShopProcess:
    """One server, that a test may end and start again."""

    name: str
    command: list[str]
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    log: Path = Path(os.devnull)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=os.environ | self.variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self, path: str = "/readyz") -> None:
        wait_until(lambda: self._responds(path), f"{self.name} is not ready")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(DEADLINE)
            self.process = None

    def _responds(self, path: str) -> bool:
        assert self.process is None or self.process.poll() is None, self.log.read_text()
        return _status(f"{self.url}{path}") == 200


def _status(url: str) -> int:
    """0 if there is no response."""
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


# A server closes idle connections, maybe just as one is used.
ONE_REQUEST_EACH = httpx.Limits(max_keepalive_connections=0)


class Servers:
    """ASGI applications, each on a port of its own, on one event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._running: dict[str, tuple[uvicorn.Server, Future[None]]] = {}
        self._thread.start()

    def serve(self, app: Starlette, port: int = 0) -> str:
        """The URL of the application once it responds."""
        listening = socket.create_server(("127.0.0.1", port))
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.run_coroutine_threadsafe(server.serve([listening]), self._loop)
        wait_until(lambda: server.started or running.done(), "a server starts")
        assert server.started, running.exception()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._running[url] = server, running
        return url

    def stop(self, url: str) -> None:
        server, running = self._running.pop(url)
        server.should_exit = True
        running.result(DEADLINE)

    def close(self) -> None:
        for url in reversed(list(self._running)):
            self.stop(url)
        asyncio.run_coroutine_threadsafe(self._end_tasks(), self._loop).result(DEADLINE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()
        # A client of NATS that ends while it connects again leaves its socket to the collector, which would blame
        # whatever test runs then.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    async def _end_tasks(self) -> None:
        """What a library has left running, as `asyncio.run` does at its end."""
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class Shop:
    """Runs from entering to leaving. `orders` is where its service runs: in a "thread", a "process", or not at all."""

    def __init__(
        self, folder: Path, orders: str = "", variables: Mapping[str, str] | None = None, *, monolith: bool = False
    ) -> None:
        self.folder = folder
        self._place = orders
        self._given = variables or {}
        self._with_monolith = monolith
        self._stack = ExitStack()
        self.servers = Servers()
        self._apps: dict[str, Callable[[], Starlette]] = {}
        self._key = rsa.generate_private_key(65537, 2048)
        self.tokens: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        """Of the orders service."""
        self.orders = ShopProcess(
            "orders", [sys.executable, "-m", "orders_service", "serve"], folder, log=folder / "orders.log"
        )

    def __enter__(self) -> Shop:
        with ExitStack() as stack:
            self._stack = stack
            if self._with_monolith:
                self._start_monolith()
            servers = self.servers
            stack.callback(servers.close)
            self._start_servers(servers)
            self.variables = self._orders_variables()
            _run(
                [sys.executable, "-m", "orders_service", "fill" if self._with_monolith else "migrate"],
                self.folder,
                self.variables,
            )
            if self._place == "thread":
                self.urls["orders"] = servers.serve(build_orders(read_orders_settings(self.variables)))
                wait_until(lambda: _status(f"{self.urls['orders']}/readyz") == 200, "orders is ready")
            elif self._place == "process":
                self.orders.variables = self.variables
                self.urls["orders"] = self.orders.url = f"http://127.0.0.1:{self.variables['PORT']}"
                self.orders.start()
                stack.callback(self.orders.stop)
                self.orders.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def database(self) -> Path:
        """The monolith's."""
        return self.folder / "shop.sqlite3"

    def client(self, user: str = "alice") -> httpx.Client:
        """One that calls the orders service as a user."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": "application/json"}
        return self._stack.enter_context(
            httpx.Client(base_url=self.urls["orders"], headers=headers, timeout=30, limits=ONE_REQUEST_EACH)
        )

    def provider(self, **values: str) -> None:
        httpx.post(f"{self.urls['provider']}/control", json=values).raise_for_status()

    def charges(self) -> list[dict[str, Any]]:
        """What the provider's ledger has."""
        charges: list[dict[str, Any]] = httpx.get(f"{self.urls['provider']}/ledger").json()["charges"]
        return charges

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """A service that is not there for a while."""
        self.servers.stop(self.urls[name])
        try:
            yield
        finally:
            self.servers.serve(self._apps[name](), int(self.urls[name].rpartition(":")[2]))

    def write(self, name: str, statement: str, values: tuple[object, ...] = ()) -> None:
        """Change a service's own database."""
        with closing(sqlite3.connect(self.folder / f"{name}.sqlite3", timeout=30)) as connection, connection:
            connection.execute(statement, values)

    def rows(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a service's own database."""
        with closing(sqlite3.connect(self.folder / f"{name}.sqlite3", timeout=30)) as connection:
            return connection.execute(statement).fetchall()

    def _start_monolith(self) -> None:
        variables = {"SHOP_DEVELOPMENT": "1", "DATABASE_PATH": str(self.database)}
        for command in ("migrate", "seed"):
            _run([sys.executable, "manage.py", command, "-v0"], MONOLITH, variables)
        (port,) = free_ports(1)
        url, log = f"http://127.0.0.1:{port}", self.folder / "monolith.log"
        command = [sys.executable, "-m", "gunicorn", "shop.wsgi"]
        process = ShopProcess("monolith", command, MONOLITH, {**variables, "BIND": f"127.0.0.1:{port}"}, url, log)
        process.start()
        self._stack.callback(process.stop)
        process.wait_ready("/healthz")
        self.urls |= {"catalog": url, "monolith": url}
        for user in ("alice", "bob"):
            response = httpx.post(f"{url}/api/auth/token", json={"name": user, "password": f"{user}-password"})
            self.tokens[user] = response.json()["access_token"]

    def _start_servers(self, servers: Servers) -> None:
        callers = {"CALLERS": f"orders={self._key_set()}"}
        inventory, payments = (
            {**callers, "DATABASE_URL": f"sqlite:///{self.folder}/{name}.sqlite3"} for name in ("inventory", "payments")
        )
        fill_inventory(inventory["DATABASE_URL"], self.database if self._with_monolith else None)
        migrate_payments(payments["DATABASE_URL"])
        self.urls["provider"] = servers.serve(build_provider("key", "", "secret"))
        payments |= {
            "PROVIDER_URL": self.urls["provider"],
            "PROVIDER_API_KEY": "key",
            "PROVIDER_TIMEOUT_SECONDS": "5",
            "WEBHOOK_SECRETS": "secret",
            "SETTLE_PAUSE_SECONDS": "0.1",
            "BREAKER_PAUSE_SECONDS": "0.2",
        }
        self._apps["inventory"] = lambda: build_inventory(read_inventory_settings(inventory))
        self._apps["payments"] = lambda: build_payments(read_payments_settings(payments))
        if not self._with_monolith:
            url = f"sqlite:///{self.folder}/catalog.sqlite3"
            fill_catalog(url)
            self._apps["catalog"] = lambda: build_catalog(read_catalog_settings({"DATABASE_URL": url}))
        for name, build in self._apps.items():
            self.urls[name] = servers.serve(build())

    def _key_set(self) -> str:
        """The file with the orders service's own, which it would serve, too."""
        tokens = ServiceTokens("orders", read_keys([self.folder / "signing-key.pem"]))
        path = self.folder / "orders-jwks.json"
        path.write_text(json.dumps(tokens.jwks))
        return str(path)

    def _orders_variables(self) -> dict[str, str]:
        variables = {
            "PORT": str(free_ports(1)[0]),
            "SIGNING_KEYS": str(self.folder / "signing-key.pem"),
            "DATABASE_URL": f"sqlite:///{self.folder}/orders.sqlite3",
            "INVENTORY_URL": self.urls["inventory"],
            "PAYMENTS_URL": self.urls["payments"],
            "CATALOG_URL": self.urls["catalog"],
            "SAGA_PAUSE_SECONDS": "0.05",
            "SAGA_LEASE_SECONDS": "1",
            # A busy machine is no fault.
            "CALL_TIMEOUT_SECONDS": "10",
            "PAYMENT_TIMEOUT_SECONDS": "20",
        }
        if self._with_monolith:
            monolith = self.urls["monolith"]
            variables["JWKS"] = f"{monolith}/.well-known/jwks.json"
            variables |= {"USERS_URL": monolith, "MONOLITH_DATABASE_URL": str(self.database)}
        else:
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
            (self.folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
            variables["JWKS"] = str(self.folder / "jwks.json")
            for number, user in enumerate(("alice", "bob"), 1):
                now = int(time.time())
                claims = {"iss": ISSUER, "aud": "shop", "sub": f"user-{number}", "iat": now, "exp": now + 3600}
                self.tokens[user] = jwt.encode(claims, self._key, "RS256")
        return variables | dict(self._given)


def fill_inventory(url: str, monolith: Path | None) -> None:
    engine = inventory_database.open_engine(url)
    migrate_inventory(engine)
    if monolith is None:
        with engine.begin() as connection:
            connection.execute(
                sa.insert(stock), [{"product_id": number, "available": STOCK, "reserved": 0} for number in PRODUCTS]
            )
    else:
        source = inventory_database.open_source(f"sqlite:///{monolith}")
        fill_from_monolith(source, engine)
        source.dispose()
    engine.dispose()


def migrate_payments(url: str) -> None:
    engine = payments_database.open_engine(url)
    payments_migrate.migrate(engine)
    engine.dispose()


def fill_catalog(url: str) -> None:
    engine = catalog_database.open_engine(url)
    catalog_migrate.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(categories), [{"id": 1, "slug": "books", "name": "Books"}])
        rows = [
            {
                "id": number,
                "sku": f"BOO-{number}",
                "name": f"Book {number}",
                "description": "",
                "category_id": 1,
                "price_cents": 1000 + number,
                "stock": STOCK,
                "created_at": datetime(2026, 1, 5, tzinfo=UTC),
            }
            for number in PRODUCTS
        ]
        connection.execute(sa.insert(products), rows)
    engine.dispose()


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    ended = subprocess.run(
        command, cwd=folder, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert ended.returncode == 0, ended.stdout.decode()


def items(*lines: tuple[int, int]) -> bytes:
    """The body of an order."""
    return json.dumps({"items": [{"product_id": product, "quantity": count} for product, count in lines]}).encode()
