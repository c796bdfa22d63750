"""The event log of the control process: what happens to the gateway itself, on standard error.

JSON lines, or coloured text where a person watches. Requests are not in it:
they are in the access log, on standard output.
"""

from __future__ import annotations

import json
import logging
import sys

import structlog


def configure_logs() -> None:
    """Send the events of structlog and the warnings of libraries to standard error."""
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if sys.stderr.isatty():
        processors += [structlog.dev.ConsoleRenderer(timestamp_key="time")]
    else:
        processors += [
            structlog.processors.format_exc_info,
            # The standard library's, in ASCII: it takes lone surrogates, such as of a file name that is not UTF-8.
            structlog.processors.JSONRenderer(
                lambda event, **_: json.dumps(event, default=repr, separators=(",", ":"))
            ),
        ]
    structlog.configure(
        processors=processors,
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
