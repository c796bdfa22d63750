"""Coalesced work: one run at a time, and one for all requests that come meanwhile."""

from __future__ import annotations

import asyncio

from strangler.control.coalescing import Coalesced


def test_requests_during_a_run_share_one_further_run() -> None:
    async def main() -> None:
        runs = 0
        goes_on = asyncio.Event()

        async def work() -> None:
            nonlocal runs
            runs += 1
            await goes_on.wait()

        coalesced = Coalesced(work)
        requests = [asyncio.create_task(coalesced.run()) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert runs == 1
        goes_on.set()
        await asyncio.gather(*requests)
        assert runs == 2
        await coalesced.run()
        assert runs == 3

    asyncio.run(main())
