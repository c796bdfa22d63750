"""Watched files whose folder goes and comes again, as `rm -r` and `cp -r` of a deployment do it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from strangler.control.system.watch import Watch, digests

DEADLINE = 20.0


def test_a_folder_that_was_missing_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    file = folder / "gateway.yaml"
    folder.mkdir()
    file.write_text("first")

    async def main() -> None:
        seen = digests([file])
        shutil.rmtree(folder)
        async with asyncio.timeout(DEADLINE):
            seen = await Watch().changed([file], seen)
            assert seen == {str(file): ""}
            watching = asyncio.create_task(Watch().changed([file], seen))
            await asyncio.sleep(0.1)
            assert not watching.done()
            folder.mkdir()
            file.write_text("second")
            seen = await watching
            assert seen == digests([file])
            watching = asyncio.create_task(Watch().changed([file], seen))
            await asyncio.sleep(0.1)
            file.write_text("third")
            assert await watching == digests([file])

    asyncio.run(main())
