"""Rules about callers: conditions, and the key by which a caller stays on its side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of an allow or deny list or of an override: `claim:tenant=acme`.

    `kind` is `claim`, `scope`, `certificate`, `header`, `cookie` or `ip`;
    `value` None matches any value.
    """

    kind: Literal["claim", "scope", "certificate", "header", "cookie", "ip"]
    name: str
    value: str | None = None

    def __str__(self) -> str:
        text = f"{self.kind}:{self.name}"
        return text if self.value is None else f"{text}={self.value}"


@dataclass(frozen=True, slots=True)
class StickyKey:
    """One source of the key by which a caller stays on its side."""

    kind: Literal["claim", "certificate", "header", "cookie", "ip", "visitor", "none"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True)
class Override:
    """The header by which a permitted caller picks a side for one request."""

    header: str
    permitted: Condition
