"""`strangler run`: the control process and its workers, until a signal ends them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.cli.validate import print_problems
from gateway.config.problems import ConfigurationError
from gateway.control.supervisor import Supervisor
from gateway.observe.logs import configure_logs


def run_gateway(config: Path, workers: int) -> int:
    """Run the gateway; 1 where the configuration is invalid or a port is taken."""
    configure_logs()
    try:
        supervisor = Supervisor(config, workers)
    except ConfigurationError as error:
        print_problems(error)
        return 1
    except OSError as error:
        print(f"strangler: can't start: {error}", file=sys.stderr)
        return 1
    asyncio.run(supervisor.run())
    return 0
