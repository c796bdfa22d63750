"""For test suites: two responses compared as the gateway compares them, recorded requests, a gateway that runs.

Nothing is imported before it is used, because pytest loads the plugin beside
this in every suite of an environment that has the gateway installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strangler.comparison.response import Response
    from strangler.comparison.rules import Rules
    from strangler.replay.recorded import RecordedRequest
    from strangler.testing.asker import Asker
    from strangler.testing.equivalence import assert_equivalent
    from strangler.testing.recordings import read_requests
    from strangler.testing.rules import load_rules
    from strangler.testing.running_gateway import RunningGateway

__all__ = [
    "Asker",
    "RecordedRequest",
    "Response",
    "Rules",
    "RunningGateway",
    "assert_equivalent",
    "load_rules",
    "read_requests",
]

_MODULES = {
    "Response": "strangler.comparison.response",
    "Asker": "strangler.testing.asker",
    "RecordedRequest": "strangler.replay.recorded",
    "Rules": "strangler.comparison.rules",
    "RunningGateway": "strangler.testing.running_gateway",
    "assert_equivalent": "strangler.testing.equivalence",
    "load_rules": "strangler.testing.rules",
    "read_requests": "strangler.testing.recordings",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
