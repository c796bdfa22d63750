"""Sets of methods (RFC 9110 section 9), and why each differs from the others: the one place for them."""

from __future__ import annotations

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Asks for nothing to be changed (RFC 9110 section 9.2.1), so such a request may be sent again or elsewhere."""
IDEMPOTENT = SAFE | {"PUT", "DELETE"}
"""Has the effect of one request however often it is sent (section 9.2.2), so it may be sent again after a failure."""
COMPARABLE = SAFE - {"TRACE"}
"""Copied to the other side without a sandbox. TRACE is safe too, but its response only repeats the request."""
NEVER_COPIED = frozenset({"CONNECT", "TRACE"})
"""Not copied even to a sandbox: CONNECT opens a tunnel, and the response to TRACE only repeats the request."""
CORS_DEFAULT = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What pages of other origins may send where a route names no methods; OPTIONS is the preflight itself."""
