"""The monolith's users and this service with the same ones, both as processes, the service also with a bug."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .asked import JSON
from .odd_tokens import make_tokens
from .sides import Answer, Case, Sides, converse, run, seed_monolith, serving, serving_monolith

COMMAND = [sys.executable, "-m", "users_service"]


@contextlib.contextmanager
def both_sides(folder: Path, *bugs: str) -> Iterator[Mapping[str, Sides]]:
    """The two sides, under the name of the service's bug; under "" the service that has none."""
    key = rsa.generate_private_key(65537, 2048)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    shop = folder / "shop.sqlite3"
    signing = {"JWT_SIGNING_KEY": str(folder / "key.pem")}
    seed_monolith(shop, signing)
    add_users(shop)
    with contextlib.ExitStack() as running:
        monolith = running.enter_context(serving_monolith(shop, signing, folder / "shop.log")).port
        service = {
            "DATABASE_URL": f"sqlite:///{folder}/users.sqlite3",
            "MONOLITH_DATABASE_URL": str(shop),
            "JWKS": f"http://127.0.0.1:{monolith}/.well-known/jwks.json",
            "PORT": "0",
        }
        run([*COMMAND, "fill"], folder, service)
        issued = {name: issued_token(monolith, name) for name in ("alice", "bob", "admin")}
        tokens = make_tokens(key, key_id(monolith), issued)
        found = {}
        for bug in ("", *bugs):
            log = folder / f"users{bug}.log"
            served = running.enter_context(serving([*COMMAND, "serve"], folder, {**service, "USERS_BUG": bug}, log))
            found[bug] = Sides(monolith, served.port, tokens)
        yield found


def add_users(database: Path) -> None:
    """Whom the sample shop lacks: with an odd name, with fractions of a second, staff that has left."""
    rows = [
        (101, "zoë@x", 'Zoë 🌱 "Å" <b>\\', "", 0, 1, "2026-01-05 08:00:00.999999"),
        (102, "left", "Left Lena", "left@shop.example", 1, 0, "2026-01-05 08:00:00"),
        (999999999999999999, "last", "Last Lou", "last@shop.example", 0, 1, "1999-12-31 23:59:59.5"),
    ]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO accounts_user (id, username, full_name, email, is_staff, is_active, date_joined,"
            " password, is_superuser) VALUES (?, ?, ?, ?, ?, ?, ?, '!', 0)",
            rows,
        )


def key_id(monolith: int) -> str:
    message = Case(200, "GET", "/.well-known/jwks.json").message({})
    return str(json.loads(Answer.read(converse(monolith, message)).body)["keys"][0]["kid"])


def issued_token(monolith: int, name: str) -> str:
    body = json.dumps({"name": name, "password": f"{name}-password"}).encode()
    message = Case(200, "POST", "/api/auth/token", (JSON,), body).message({})
    return str(json.loads(Answer.read(converse(monolith, message)).body)["access_token"])
