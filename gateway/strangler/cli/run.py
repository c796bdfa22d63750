"""`strangler run`: the control process and its workers, until a signal ends them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from strangler.cli.validate import print_problems
from strangler.config.text.problems import ConfigurationError
from strangler.config.values.endpoints import parse_listener
from strangler.control.admin.access import UnguardedAdmin
from strangler.control.supervisor import Supervisor
from strangler.observe.logs import configure_logs


def run_gateway(config: Path, workers: int, listen: str | None, admin: str | None) -> int:
    """Run the gateway.

    1 where the configuration is invalid, a port is taken, the admin API would be open to other machines without a
    token, or no worker comes up, 2 for an address that is none.
    """
    try:
        addresses = {
            name: parse_listener(text) for name, text in (("listen", listen), ("admin", admin)) if text is not None
        }
    except ValueError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2
    stream = configure_logs()
    try:
        supervisor = Supervisor(config, workers, addresses)
    except ConfigurationError as error:
        print_problems(error)
        return 1
    except (OSError, UnguardedAdmin) as error:
        print(f"strangler: can't start: {error}", file=sys.stderr)
        return 1

    async def main() -> None:
        failure = await supervisor.run()
        if failure is not None:
            print(f"strangler: can't start: {failure}", file=sys.stderr)
        # A thread may still wait for a name server or a file system; the end of the interpreter would wait for it.
        stream.finish()
        os._exit(1 if failure is not None else 0)

    asyncio.run(main())
    return 0
