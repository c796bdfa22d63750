"""A worker's handle: what its `repr` shows in each state."""

from __future__ import annotations

import asyncio
import socket

from strangler.control.workers.handle import FORMER, WorkerHandle


async def handle(number: int, link: socket.socket) -> WorkerHandle:
    reader, writer = await asyncio.open_connection(sock=link)
    return WorkerHandle(number, 4711, reader, writer, None)


def test_repr_shows_number_process_and_state() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            worker = await handle(2, ours)
            assert repr(worker) == "<worker 2, process 4711, starting>"
            worker.serves("3f9a")
            assert repr(worker) == "<worker 2, process 4711, serves 3f9a>"
            worker.failure = "no such file: access.log"
            assert repr(worker) == "<worker 2, process 4711, serves 3f9a, failed: no such file: access.log>"
            assert await worker.ended() == "its link ended"
            assert repr(worker) == "<worker 2, process 4711, gone, failed: no such file: access.log>"

    asyncio.run(main())


def test_repr_of_a_former_worker_has_no_number() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            worker = await handle(FORMER, ours)
            assert repr(worker) == "<former worker, process 4711, starting>"
            await worker.ended()

    asyncio.run(main())
