"""The YAML's `tests:` section: requests, and the decisions expected for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strangler.model.migration import SideName
from strangler.model.yaml_place import YamlPlace


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected decision about a request; None expects nothing.

    `route` is `default` if no route may match; `status` is that of the gateway's
    own response.
    """

    route: str | None = None
    migration: str | None = None
    side: SideName | None = None
    upstream: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class RoutingTest:
    """One request of the `tests:` section.

    `target` is path and query as sent. `claims` None is a caller without a
    token; any mapping is one whose token was verified. `certificate` are the
    values by name of a client certificate, None for a caller without one.
    """

    source: YamlPlace
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    claims: Mapping[str, Any] | None
    certificate: Mapping[str, tuple[str, ...]] | None
    expect: Expectation

    def __str__(self) -> str:
        return f"{self.method} {self.target}"
