"""The header fields that identify the caller to an upstream: set by the gateway alone, dropped from clients.

Everything else derives from `IDENTITY_HEADERS`: what is dropped
(`dropped_fields`), what conditions and changes must not name
(`config/checks`), and what distinguishes callers in stored responses.
"""

from __future__ import annotations

SUBJECT = "X-Auth-Subject"
SCOPES = "X-Auth-Scopes"
ISSUER = "X-Auth-Issuer"
CERTIFICATE_SUBJECT = "X-Client-Certificate-Subject"
SET_BY_GATEWAY = (SUBJECT, SCOPES, ISSUER, CERTIFICATE_SUBJECT)
"""Written from a verified token or client certificate."""
NEVER_SET = ("Client-Cert", "Client-Cert-Chain")
"""RFC 9440 has a proxy drop these from clients; the gateway itself does not send them."""
OF_MONOLITH = tuple(f"X-Strangler-{name}" for name in ("Ask", "Call", "Guarded", "Route", "Shadow", "Token"))
"""Read by django-strangler in a monolith, which believes them only where they are signed."""
IDENTITY_HEADERS = (*SET_BY_GATEWAY, *NEVER_SET, *OF_MONOLITH)
