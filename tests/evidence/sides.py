"""The two sides of all candidates, in a process of their own: two ports for each candidate.

Started as `python -m tests.evidence.sides NAME:LEGACY:CANDIDATE …`, with the
ports to listen at; it says `ready` once it listens at all of them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from tests.evidence.candidates import CANDIDATES, Candidate
from tests.evidence.worlds import Action, HangUp, Raw, Request, Response, Silence


class Side(asyncio.Protocol):
    """A connection to one side."""

    def __init__(self, respond: Callable[[Request], Action]) -> None:
        self._respond = respond
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._act(_request(head))

    def _act(self, request: Request) -> None:
        transport = self._transport
        assert transport is not None
        action = self._respond(request)
        loop = asyncio.get_running_loop()
        if isinstance(action, HangUp):
            transport.close()
        elif isinstance(action, Silence):
            loop.call_later(action.seconds, transport.close)
        elif isinstance(action, Raw):
            transport.write(action.data)
            transport.close()
        elif action.after:
            loop.call_later(action.after, self._send, request, action)
        else:
            self._send(request, action)

    def _send(self, request: Request, response: Response) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        lines = [f"HTTP/1.1 {response.status} Said", *(f"{name}: {value}" for name, value in response.fields)]
        has_body = request.method != "HEAD" and response.status != 304
        if response.status != 304:
            length = len(response.body) if response.declared is None else response.declared
            lines.append(f"Content-Length: {length}")
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + (response.body if has_body else b""))
        if response.declared is not None:
            self._transport.close()


def _request(head: bytes) -> Request:
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    fields = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in lines)}
    number, caller = int(fields.get("x-number", "0")), int(fields.get("x-caller", "0"))
    return Request(method, path, query, fields, number, caller, "x-shadow" in fields)


async def serve(candidate: Candidate, legacy: int, extracted: int) -> None:
    """Listen at both ports."""
    loop = asyncio.get_running_loop()
    say = candidate.world.legacy
    await loop.create_server(lambda: Side(say), "127.0.0.1", legacy, backlog=1024)
    await loop.create_server(
        lambda: Side(lambda request: candidate.respond(request, say(request))), "127.0.0.1", extracted, backlog=1024
    )


async def main(arguments: list[str]) -> None:
    """Serve the candidates that are named, until the end."""
    for argument in arguments:
        name, legacy, extracted = argument.split(":")
        await serve(CANDIDATES[name], int(legacy), int(extracted))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
