"""For test suites: two answers compared as the gateway compares them, recorded requests, a gateway that runs.

Nothing is imported before it is used, because pytest loads the plugin beside
this in every suite of an environment that has the gateway installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.replay.recorded import RecordedRequest
    from gateway.shadow.answer import Answer
    from gateway.shadow.rules import Rules
    from gateway.testing.asking import Asker
    from gateway.testing.equivalence import assert_equivalent
    from gateway.testing.recordings import read_requests
    from gateway.testing.rules import load_rules
    from gateway.testing.running_gateway import RunningGateway

__all__ = [
    "Answer",
    "Asker",
    "RecordedRequest",
    "Rules",
    "RunningGateway",
    "assert_equivalent",
    "load_rules",
    "read_requests",
]

_MODULES = {
    "Answer": "gateway.shadow.answer",
    "Asker": "gateway.testing.asking",
    "RecordedRequest": "gateway.replay.recorded",
    "Rules": "gateway.shadow.rules",
    "RunningGateway": "gateway.testing.running_gateway",
    "assert_equivalent": "gateway.testing.equivalence",
    "load_rules": "gateway.testing.rules",
    "read_requests": "gateway.testing.recordings",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
