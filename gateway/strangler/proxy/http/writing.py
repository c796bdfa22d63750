"""Writing a head with what follows it, in one call of the system."""

from __future__ import annotations

import asyncio
from typing import Final

APART: Final = 16_384
"""From how many bytes on joining a body to its head costs more than handing over both: a tenth of a 64 KiB response."""


def write_together(transport: asyncio.Transport, parts: list[bytes]) -> None:
    """Write `parts`, which are used up; a large last one is not copied."""
    if len(parts[-1]) < APART:
        transport.write(b"".join(parts))
        return
    last = parts.pop()
    transport.writelines((b"".join(parts), last) if parts else (last,))
