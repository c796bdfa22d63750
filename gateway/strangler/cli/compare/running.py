"""Replays the requests of `strangler compare` against both sides, with a progress bar on a terminal."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from strangler.cli.compare.options import Options
from strangler.comparison.rules import Rules
from strangler.replay.ask import Sending, Side
from strangler.replay.replay import BothSides, ReplayedPair, replay
from strangler.replay.results import Results


async def replay_requests(
    options: Options, fields: list[tuple[str, str]], rules: Rules, confirm_after: float, results: Results
) -> None:
    if threading.current_thread() is threading.main_thread():
        # What stops a job of CI ends the run as Ctrl-C does: with a report of what was replayed until then.
        running = asyncio.current_task()
        assert running is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    requests = results.recording.requests
    host = options.host or urlsplit(options.legacy).netloc
    console = Console(stderr=True)
    columns = (
        TextColumn("comparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("comparing", total=len(requests), found="")

        def judged(judgement: ReplayedPair) -> None:
            results.add(judgement)
            progress.update(task, advance=1, found=f"{results.total.wrong} wrong")

        sending = Sending(fields, options.concurrency, options.timeout, rules.decoded_body)
        async with AsyncExitStack() as stack:
            legacy, extracted = [
                await stack.enter_async_context(Side(url, host=host, sending=sending))
                for url in (options.legacy, options.extracted)
            ]
            await replay(
                requests,
                BothSides(legacy, extracted, rules, confirm_after),
                judged,
                concurrency=options.concurrency,
                rate=options.rate,
            )
