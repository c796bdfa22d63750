"""Deliberately wrong behaviour, to see whether tests notice.

Off unless `ORDER_HISTORY_BUG` names one, and nothing for a service that anybody depends on.
"""

from __future__ import annotations

SHOWN_GAPS = "shown-gaps"
"""What arrived early is shown before what it follows."""

BUGS = (SHOWN_GAPS,)
