"""How a header field is handled, as a number.

Numbers and not an enumeration: one is looked up for each field of a message.
FORWARD is 0, so that one test tells most fields from all others. Fields from
NOT_PLAIN on are left to the parser, whatever their value.
"""

from __future__ import annotations

from typing import Final

FORWARD: Final = 0
DROP: Final = 1
HOST: Final = 2
CONNECTION: Final = 3
AUTHORIZATION: Final = 4
TRACEPARENT: Final = 5
CONTENT_LENGTH: Final = 6
REQUEST_ID: Final = 7
FORWARDED: Final = 8
FROM_PROXIES: Final = 9
VIA: Final = 10
DATE: Final = 11

NOT_PLAIN: Final = 12
PROXY_CONNECTION: Final = 12
TRANSFER_ENCODING: Final = 13
EXPECT: Final = 14
UPGRADE: Final = 15
MAX_FORWARDS: Final = 16
TRACESTATE: Final = 17
NO_NAME: Final = 18
"""What is no field name (RFC 9110 section 5.1); the parser refuses it."""

UNKNOWN: Final = -1
"""Stands for a spelling that has not been looked up yet."""
