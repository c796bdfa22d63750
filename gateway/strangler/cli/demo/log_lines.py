"""The gateway's logs as the terminal of the demo shows them: requests, and what happens to the gateway."""

from __future__ import annotations

from typing import Any

_QUIET = frozenset({"level", "time", "event", "part", "exception", "problems"})
_SHOWN = frozenset(
    {
        "configuration reloaded",
        "configuration is valid again, and the running one",
        "workers replaced",
        "the store answers again",
    }
)
"""Of the events at level info, those that follow from an action of the user."""


def request_line(entry: dict[str, Any]) -> str:
    """A line of the access log."""
    side = f" ({entry['side']})" if entry["side"] else ""
    answered = f"{entry['upstream'] or 'gateway'}{side}"
    return (
        f"{entry['status']}  {entry['method']:<6} {entry['path']:<34} {answered:<22} "
        f"{entry['subject'] or '-':<10} {entry['ms']:.1f} ms"
    )


def event_lines(entry: dict[str, Any]) -> str:
    """The lines of an event of the event log; "" if it does not concern the user."""
    event, level = entry["event"], entry["level"]
    if level == "info" and event not in _SHOWN:
        return ""
    fields = ", ".join(f"{name} {value}" for name, value in entry.items() if name not in _QUIET)
    head = f"--- {'' if level == 'info' else level + ': '}{event}" + (f" ({fields})" if fields else "")
    return "\n".join([head, *(f"      {problem}" for problem in entry.get("problems", []))])
