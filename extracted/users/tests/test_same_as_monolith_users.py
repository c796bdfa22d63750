"""The service answers as the monolith does, to the byte: both run as processes, and are asked the same.

Every request is listed with the status that it should get, so that two sides that refuse it for the same
wrong reason don't pass for equal.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .asked import ADMIN, ALICE, ASKED, BAD_BODIES, BAD_VALUES, BOB, CHANGES, CHUNKED, JSON, ME
from .odd_tokens import make_tokens
from .sides import MONOLITH, Answer, Case, Sides, answers, converse, run, seed_monolith, serving, serving_monolith

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("sides")
    key = rsa.generate_private_key(65537, 2048)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    shop = folder / "shop.sqlite3"
    signing = {"JWT_SIGNING_KEY": str(folder / "key.pem")}
    seed_monolith(shop, signing)
    add_users(shop)
    with serving_monolith(shop, signing, folder / "shop.log") as shop_server:
        monolith = shop_server.port
        service = {
            "DATABASE_URL": f"sqlite:///{folder}/users.sqlite3",
            "MONOLITH_DATABASE_URL": str(shop),
            "JWKS": f"http://127.0.0.1:{monolith}/.well-known/jwks.json",
            "PORT": "0",
        }
        command = [sys.executable, "-m", "users_service"]
        run([*command, "fill"], folder, service)
        with serving([*command, "serve"], folder, service, folder / "users.log") as served:
            issued = {name: issued_token(monolith, name) for name in ("alice", "bob", "admin")}
            yield Sides(monolith, served.port, make_tokens(key, key_id(monolith), issued))


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


@pytest.mark.parametrize("case", ASKED, ids=str)
def test_same_answer(sides: Sides, case: Case) -> None:
    monolith, service = sides.ask(case)
    assert monolith == service
    assert service.status == case.status
    assert service.body or case.method == "HEAD"


def test_changes_have_the_same_effect(sides: Sides) -> None:
    """After each change, on both sides, both the caller and others see the same."""
    for text in CHANGES:
        shown = changed(sides, Case(200, "PATCH", ME, (BOB, JSON), text.encode()))
        assert shown.body == seen(sides, ME, BOB) == seen(sides, "/api/users/2", ADMIN)


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: APPLICATION/Json",),
        ("Content-Type: application/json;charset=latin-1",),
        ("Content-Type: application/json ; charset=utf-16; x",),
        ("Content-Type:  \tapplication/json\t ",),
        (JSON, "Expect: 100-continue"),
        (JSON, 'If-Match: "x"'),
        (JSON, "Origin: https://evil.example"),
        (JSON, "Content-Encoding: gzip"),
    ],
    ids=str,
)
def test_headers_of_a_change(sides: Sides, headers: tuple[str, ...]) -> None:
    body = '{"full_name":"Bob Ü"}'.encode()
    changed(sides, Case(200, "PATCH", ME, (BOB, *headers), body))


@pytest.mark.parametrize(
    "body",
    [
        b'12\r\n{"full_name":"Bob"\r\n1;x="y"\r\n}\r\n0\r\n\r\n',
        b'013\r\n{"full_name":"Bob"}\r\n000\r\nX-Trailer: 1\r\n\r\n',
        b"10000\r\n" + b'{"full_name":"Bob"}'.ljust(65536) + b"\r\n0\r\n\r\n",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_change_in_chunks(sides: Sides, body: bytes) -> None:
    assert b'"full_name":"Bob"' in changed(sides, Case(200, "PATCH", ME, (BOB, JSON, CHUNKED), body)).body


def test_a_change_of_the_greatest_size(sides: Sides) -> None:
    changed(sides, Case(200, "PATCH", ME, (BOB, JSON), b'{"full_name":"Bob"}'.ljust(65536)))


def test_what_was_refused_has_changed_nothing(sides: Sides) -> None:
    before = seen(sides, ME, ALICE)
    for case in (*BAD_VALUES, *BAD_BODIES):
        sides.ask(case)
    assert seen(sides, ME, ALICE) == before


def test_requests_after_one_another_on_a_connection(sides: Sides) -> None:
    """A body that was not wanted, and an answer without one, don't spoil what comes after."""
    asked = [
        Case(401, "PATCH", ME, (JSON,), b'{"full_name":"GET / HTTP/1.1"}'),
        Case(200, "HEAD", ME, (ALICE,)),
        Case(405, "POST", ME, (ALICE, CHUNKED), b"5\r\nhello\r\n0\r\n\r\n"),
        Case(415, "PATCH", ME, (ALICE,), b"x" * 1000),
        Case(404, "POST", "/api/users", (), b"x"),
    ]
    messages = [case.message(sides.texts, "keep-alive") for case in asked]
    messages.append(Case(200, "GET", ME, (ALICE,)).message(sides.texts))
    both = [answers(converse(port, b"".join(messages))) for port in (sides.monolith, sides.service)]
    assert both[0] == both[1]
    assert [answer.status for answer in both[1]] == [401, 200, 405, 415, 404, 200]


def changed(sides: Sides, case: Case) -> Answer:
    """The answer to a change, the same on both sides."""
    monolith, service = sides.ask(case)
    assert monolith == service
    assert service.status == 200
    return service


def seen(sides: Sides, target: str, authorization: str) -> bytes:
    """What both sides show at a target."""
    monolith, service = sides.ask(Case(200, "GET", target, (authorization,)))
    assert monolith == service
    return service.body
