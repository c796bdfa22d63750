"""The methods that matter to the gateway (RFC 9110 section 9)."""

from __future__ import annotations

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those whose copy changes nothing (RFC 9110 section 9.2.1); TRACE is of no use to compare."""
