"""Deliberately wrong answers, for seeing whether whoever compares the service with the monolith notices.

Off unless `USERS_BUG` names one, and nothing for a service that anybody depends on.
"""

from __future__ import annotations

from dataclasses import replace

from users_service.users import User

DROPPED_FIELD = "dropped-field"
"""Users don't say their e-mail address."""
ROUNDING = "rounding"
"""Times are rounded down to the day."""
LOST_FILTER = "lost-filter"
"""Tokens of users who are no longer active are accepted."""

BUGS = (DROPPED_FIELD, ROUNDING, LOST_FILTER)


def accepted(bug: str, user: User) -> bool:
    """Whether a token of `user` is accepted."""
    return user.is_active or bug == LOST_FILTER


def shown(bug: str, user: User) -> dict[str, object]:
    """What is shown instead of `user`."""
    if bug == ROUNDING:
        user = replace(user, created_at=user.created_at.replace(hour=0, minute=0, second=0, microsecond=0))
    values = user.shown()
    if bug == DROPPED_FIELD:
        del values["email"]
    return values
