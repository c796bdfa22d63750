"""What keeps a rollout from moving forward although its gates pass: each a reason in words, or None.

Nothing here keeps a rollout from rolling back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from strangler.rollout.evidence import Dependency, RolloutEvidence
from strangler.rollout.policy import DAY, RolloutPolicy, Window
from strangler.rollout.record import Record


def promotion_holds(
    policy: RolloutPolicy, record: Record, evidence: RolloutEvidence, step: int, now: float
) -> list[str]:
    """Why the rollout must not go to the step with this index now."""
    percent = policy.steps[step]
    causes = [
        freeze_hold(evidence),
        dependency_hold(policy, evidence.dependencies, percent / 100),
        window_hold(policy.windows, now),
        approval_hold(policy, record, step),
    ]
    return [cause for cause in causes if cause is not None]


def beginning_holds(policy: RolloutPolicy, evidence: RolloutEvidence) -> list[str]:
    """Why the rollout must not begin now: it moves no caller, so that windows and approvals do not count."""
    causes = [freeze_hold(evidence), _unmoved_dependency(policy, evidence.dependencies)]
    return [cause for cause in causes if cause is not None]


def freeze_hold(evidence: RolloutEvidence) -> str | None:
    """A global freeze."""
    return None if evidence.freeze is None else f"frozen: {evidence.freeze}"


def approval_hold(policy: RolloutPolicy, record: Record, step: int) -> str | None:
    """A person's approval, where the policy wants one before the step."""
    percent = policy.steps[step]
    if percent not in policy.approve_before or record.approved == step:
        return None
    return f"{percent:g} % needs the approval of a person"


def dependency_hold(policy: RolloutPolicy, dependencies: Iterable[Dependency], share: float) -> str | None:
    """A migration that this one depends on, and that is behind the share that is wanted."""
    known = {each.name: each for each in dependencies}
    for name in policy.depends_on:
        dependency = known.get(name)
        if dependency is None:
            return f"where {name} stands is not known"
        if dependency.rolled_back:
            return f"{name} is rolled back"
        if dependency.share < share:
            return f"{name} is at {dependency.share:.4g} of its callers, this migration would be at {share:.4g}"
    return None


def rolled_back_dependency(policy: RolloutPolicy, dependencies: Iterable[Dependency]) -> str | None:
    """A migration that this one depends on and that rolled back: then this one has to as well."""
    for each in dependencies:
        if each.name in policy.depends_on and each.rolled_back:
            return f"{each.name} rolled back, which this migration depends on"
    return None


def window_hold(windows: tuple[Window, ...], now: float) -> str | None:
    """A moment outside of all windows, with the time at which the next one opens."""
    if not windows or any(_is_open(window, now) for window in windows):
        return None
    opening = min((opens for window in windows for opens in _openings(window, now)), default=None)
    if opening is None:
        return "outside of the windows, of which none ever opens"
    return f"outside of the windows; the next one opens at {opening.isoformat(timespec='minutes')}"


def _unmoved_dependency(policy: RolloutPolicy, dependencies: Iterable[Dependency]) -> str | None:
    known = {each.name: each for each in dependencies}
    for name in policy.depends_on:
        dependency = known.get(name)
        if dependency is None:
            return f"where {name} stands is not known"
        if dependency.rolled_back or dependency.share <= 0:
            return f"{name} has to move first"
    return None


def _is_open(window: Window, now: float) -> bool:
    local = datetime.fromtimestamp(now, window.zone)
    second = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second).total_seconds()
    today, yesterday = local.weekday() in window.days, (local.weekday() - 1) % 7 in window.days
    if window.start < window.end:
        return today and window.start <= second < window.end
    return (today and second >= window.start) or (yesterday and second < window.end)


def _openings(window: Window, now: float) -> Iterable[datetime]:
    """When the window opens on each of the next eight days."""
    local = datetime.fromtimestamp(now, window.zone)
    minutes = int(window.start % DAY) // 60
    for days in range(8):
        date = local.date() + timedelta(days=days)
        opens = datetime.combine(date, time(minutes // 60, minutes % 60), tzinfo=window.zone)
        if date.weekday() in window.days and opens.timestamp() > now:
            yield opens
