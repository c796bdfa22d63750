"""Durations and sizes."""

from __future__ import annotations

import math
import re

from strangler.config.text.problems import described

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE = re.compile(r"([0-9]+)(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_duration(value: object) -> float:
    """Seconds of `250ms`, `5s`, `1.5m`, `1h`, `7d` or a number of seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is not None:
            seconds = float(match[1]) * _SECONDS[match[2]]
        else:
            try:
                seconds = float(value)
            except ValueError:
                raise ValueError(f"expected a duration such as 250ms, 5s, 1m or 1h, found {described(value)}") from None
    else:
        raise ValueError(f"expected a duration such as 250ms, 5s, 1m or 1h, found {described(value)}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{value} is not a valid duration")
    return seconds


def parse_positive_duration(value: object) -> float:
    """The same, but not zero."""
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError("must be longer than 0s")
    return seconds


def parse_size(value: object) -> int:
    """Bytes of `8KiB`, `1MiB` or a number of bytes."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is not None:
            value = int(match[1]) * _BYTES[match[2]]
        elif value.isascii() and value.isdigit():
            value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected a size such as 8KiB, 1MiB or a number of bytes, found {described(value)}")
    if value < 1:
        raise ValueError("must be at least 1 byte")
    return value
