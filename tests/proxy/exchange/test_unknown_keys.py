"""A token that names a key that is not known: when keys are asked for, and who goes on when they come."""

from __future__ import annotations

import asyncio

from strangler.auth.keys import parse_key_set
from strangler.model.snapshot import Snapshot
from tests.e2e.tokens import Issuer
from tests.proxy.in_process import Plane, Transport, run

OLD, NEW = Issuer("old"), Issuer("new")


def asking(plane: Plane) -> Transport:
    """A client whose token names a key that is not known."""
    client = plane.client()
    client.feed(b"GET /private/x HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % NEW.bearer().encode())
    return client


def test_keys_are_asked_for_again_where_the_answer_was_lost(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot, {"shop": parse_key_set(OLD.key_set())})
        plane.plane.refetch_deadline = 0.3
        first, second = asking(plane), asking(plane)
        assert plane.refetches == ["shop"]
        async with asyncio.timeout(10):
            while not (first.written and second.written):
                await asyncio.sleep(0.02)
        assert first.take().startswith(b"HTTP/1.1 401 ")
        later = asking(plane)
        assert plane.refetches == ["shop", "shop"]
        plane.plane.set_keys("shop", parse_key_set(NEW.key_set()), 60.0)
        await plane.settle()
        plane.busy()[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert later.take().startswith(b"HTTP/1.1 200 ")

    run(test)


def test_callers_who_come_meanwhile_share_what_was_asked(snapshot: Snapshot) -> None:
    async def test() -> None:
        plane = Plane(snapshot, {"shop": parse_key_set(OLD.key_set())})
        clients = [asking(plane) for _ in range(3)]
        clients[0].close()
        await plane.settle()
        clients.append(asking(plane))
        assert plane.refetches == ["shop"]
        plane.plane.set_keys("shop", parse_key_set(OLD.key_set()), 0.0)
        for client in clients[1:]:
            assert client.take().startswith(b"HTTP/1.1 401 ")
        # That was an answer, so the next one is asked for at once.
        asking(plane)
        assert plane.refetches == ["shop", "shop"]

    run(test)
