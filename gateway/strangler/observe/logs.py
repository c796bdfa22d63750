"""The event log of the control process: events of the gateway itself, on standard error.

JSON lines, or coloured text on a terminal. Requests are in the access log
instead, on standard output. Logging never waits for the reader of standard
error.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO, cast

import structlog

from strangler.observe.background_stream import BackgroundStream, use_for_standard_error


def configure_logs() -> BackgroundStream:
    """Send structlog's events and libraries' warnings to standard error. Returns that stream."""
    stream = use_for_standard_error()
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if stream.isatty():
        processors += [structlog.dev.ConsoleRenderer(timestamp_key="time")]
    else:
        stream.about_dropped = _about_dropped
        processors += [
            structlog.processors.format_exc_info,
            # The standard library's, in ASCII: it accepts lone surrogates, as in a file name that is not UTF-8.
            structlog.processors.JSONRenderer(
                lambda event, **_: json.dumps(event, default=repr, separators=(",", ":"))
            ),
        ]
    structlog.configure(
        processors=processors,
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, stream)),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(name)s: %(message)s")
    return stream


def _about_dropped(lines: int) -> str:
    return json.dumps(
        {
            "part": "control",
            "lines": lines,
            "event": "events were dropped, because standard error was not read or could not be written",
            "level": "warning",
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        },
        separators=(",", ":"),
    )
