"""What a worker sends arrives as it was, in whatever pieces."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from strangler.shadow.copying.channel import Channel, ChannelReceiver
from strangler.shadow.known_pairs import SelfTestOrder
from strangler.shadow.pair import Batch, NotCompared, Reason
from tests.shadow.pairs import pair

PAIRS = [pair({"id": number}, {"id": number, "more": "x" * number * 1000}) for number in range(7)]
LEFT_OUT = NotCompared("items", "items/one", "GET /items/{id}", "legacy", Reason.TOO_BIG)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a worker writes for seven pairs and two requests without one."""
    path = str(tmp_path_factory.mktemp("channel") / "judge.sock")

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        whole = loop.create_future()

        async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            whole.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_unix_server(read, path)
        channel = Channel(loop, lambda order: None)
        channel.listen_at(path)
        channel.count(LEFT_OUT)
        channel.count(LEFT_OUT)
        async with asyncio.timeout(20):
            channel.flush(loop.time())
            while not channel.connected:
                await asyncio.sleep(0.01)
            for one in PAIRS:
                channel.offer(one)
            channel.flush(loop.time(), last=True)
            await channel.drained()
            channel.close()
            data: bytes = await whole
        server.close()
        return data

    return asyncio.run(main())


@pytest.mark.parametrize("most", [1, 7, 3000, 10**9])
def test_batches_arrive_whole_in_whatever_pieces(sent: bytes, most: int) -> None:
    batches: list[Batch] = []
    gone: list[ChannelReceiver] = []
    receiver = ChannelReceiver(batches.append, gone.append)
    chosen = random.Random(most)
    start = 0
    while start < len(sent):
        piece = sent[start : start + chosen.randint(1, most)]
        receiver.data_received(piece)
        start += len(piece)
    assert [one for batch in batches for one in batch.pairs] == PAIRS
    assert sum(batch.not_compared.get(LEFT_OUT, 0) for batch in batches) == 2
    receiver.connection_lost(None)
    assert gone == [receiver]


def test_a_batch_that_is_cut_off_is_no_batch(sent: bytes) -> None:
    batches: list[Batch] = []
    gone: list[ChannelReceiver] = []
    receiver = ChannelReceiver(batches.append, gone.append)
    receiver.data_received(sent[:-1])
    receiver.connection_lost(None)
    assert sum(len(batch.pairs) for batch in batches) < len(PAIRS)
    assert gone == [receiver]


def test_an_order_of_the_judge_reaches_the_worker(tmp_path: Path) -> None:
    order = SelfTestOrder("items", "ticket", "http://127.0.0.1:1", "http://127.0.0.1:2")

    async def main() -> SelfTestOrder:
        loop = asyncio.get_running_loop()
        received = loop.create_future()
        path = str(tmp_path / "judge.sock")
        server = await loop.create_unix_server(
            lambda: ChannelReceiver(lambda batch: None, lambda one: None, lambda one: one.order(order)), path
        )
        channel = Channel(loop, received.set_result)
        channel.listen_at(path)
        async with asyncio.timeout(20):
            found: SelfTestOrder = await received
        channel.close()
        server.close()
        return found

    assert asyncio.run(main()) == order
