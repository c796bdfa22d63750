"""What makes the lines of a head plain, in requests and in responses alike (docs/decisions/0028).

The two passes have loops of their own, since a function call for each line would
cost too much; their rules about bytes are here, so that they can't drift apart.
"""

from __future__ import annotations

from typing import Final

PRINTABLE: Final = bytes(range(0x20, 0x7F))
"""What a plain head consists of, beside the CRLF at the end of each line."""
SPACE: Final = 0x20
_LONGEST_LENGTH: Final = 9
"""Digits of a Content-Length; the parser reads longer ones."""


def is_plain_length(value: bytes) -> bool:
    """Whether `value` is a Content-Length with one reading only: few decimal digits without leading zeros."""
    return len(value) <= _LONGEST_LENGTH and value.isdigit() and (len(value) == 1 or not value.startswith(b"0"))
