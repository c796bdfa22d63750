"""The policy: what can't be is refused."""

from __future__ import annotations

import pytest

from strangler.rollout.policy import RolloutPolicy


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": ()}, "steps rise"),
        ({"steps": (0.0, 1.0)}, "steps rise"),
        ({"steps": (5.0, 1.0, 100.0)}, "steps rise"),
        ({"steps": (-1.0, 100.0)}, "steps rise"),
        ({"alpha": 0.0}, "alpha"),
        ({"beta": 1.0}, "beta"),
        ({"harmful_ratio": 1.0}, "a harmful ratio is above 1"),
        ({"floor": 0.0}, "a floor is above 0"),
        ({"errors": False, "latency": False}, "needs a gate that sees callers"),
    ],
)
def test_policy_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RolloutPolicy(**values)
