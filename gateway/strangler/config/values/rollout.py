"""Steps of a rollout, and the windows in which it may go forward."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from strangler.config.text.problems import closest, described
from strangler.config.values.urls import check_password, url_parts
from strangler.rollout.policy import DAY, EXTRACTED, SHADOW, Window

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NAMED_STEPS = {"shadow": SHADOW, "extracted": EXTRACTED}
_WINDOW = re.compile(r"(\S+)\s+([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})\s+(\S+)")
_EXAMPLE = '"Mon-Thu 09:00-16:00 Europe/Berlin"'


def parse_step(value: object) -> float:
    """The percentage of callers of `shadow`, `extracted` or a number."""
    if isinstance(value, str) and value in NAMED_STEPS:
        return NAMED_STEPS[value]
    if isinstance(value, str):
        value = _number(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"expected shadow, a percentage or extracted, found {described(value)}")
    if not SHADOW < value < EXTRACTED:
        raise ValueError(f"a percentage is more than 0 (that is shadow) and less than 100 (that is extracted): {value}")
    if abs(value * 100 - round(value * 100)) > 1e-6:
        raise ValueError("has more than two decimals")
    return float(value)


def step_text(percent: float) -> str:
    """The step as one writes it: `shadow`, `5`, `extracted`."""
    names = {percent: name for name, percent in NAMED_STEPS.items()}
    return names.get(percent, f"{percent:g}")


def parse_window(value: object) -> Window:
    """`Mon-Thu 09:00-16:00 Europe/Berlin`: days, times of the day, and a time zone."""
    found = _WINDOW.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"expected days, times and a time zone such as {_EXAMPLE}, found {described(value)}")
    days, *times, zone = found.groups()
    start, end = (_second_of_day(*times[at : at + 2]) for at in (0, 2))
    return Window(_days(days), start, end, _zone(zone))


def parse_web_url(value: object) -> str:
    """An `http://` or `https://` URL; a password must come from the environment."""
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as https://chat.example/hook, found {described(value)}")
    parts = url_parts(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL that begins with http:// or https://")
    check_password(value, parts)
    return str(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        meant = closest(text, NAMED_STEPS)
        hint = "" if meant is None else f"; did you mean '{meant}'?"
        raise ValueError(f"expected shadow, a percentage or extracted, found {described(text)}{hint}") from None


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start, end = _day(first), _day(last if dash else first)
        days |= {day % 7 for day in range(start, (end if end >= start else end + 7) + 1)}
    return frozenset(days)


def _day(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"'{name}' is not one of {', '.join(DAYS)}")
    return DAYS.index(name)


def _second_of_day(hours: str, minutes: str) -> float:
    seconds = int(hours) * 3600.0 + int(minutes) * 60.0
    if seconds > DAY or int(minutes) > 59:
        raise ValueError(f"{hours}:{minutes} is no time of the day")
    return seconds


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"this machine knows no time zone '{name}'; write one such as Europe/Berlin or UTC") from None
