"""The header fields between the gateway and the app, and the user headers that a client must not set.

The gateway drops these fields of clients.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

ASK = "X-Strangler-Ask"
"""Asks for the route of this request."""
ROUTE = "X-Strangler-Route"
"""Django's own route of the request, signed: `v1.BASE64URL.SIGNATURE`."""
SHADOW = "X-Strangler-Shadow"
"""A stamp: the request is a shadow copy, and nothing of it may last."""
GUARDED = "X-Strangler-Guarded"
"""Confirms that a shadow copy was undone: `v1.BLOCKED.SIGNATURE`."""
CALL = "X-Strangler-Call"
"""A stamp on a call of the gateway to the app, or of the app to the gateway."""
TOKEN = "X-Strangler-Token"
"""The gateway's own signed token about the caller."""

_REMOTE_USER = re.compile(r"HTTP_(?:X_)*(?:PROXY_)?(?:REMOTE|AUTH(?:ENTICATED)?|WEBAUTH|FORWARDED)_USER\Z")


def meta_name(header: str) -> str:
    """The key of `header` in `request.META`."""
    return "HTTP_" + header.upper().replace("-", "_")


def drop_user_headers(meta: MutableMapping[str, Any]) -> None:
    """Remove what a client sent as the name of its user, in every spelling that a server folds into one key.

    Django's RemoteUserMiddleware reads `HTTP_REMOTE_USER` under ASGI, which any client can set. `REMOTE_USER` itself
    stays: only the server, never a header, writes that key under WSGI.
    """
    for name in [key for key in meta if key.endswith(("_USER", "-USER")) and _REMOTE_USER.match(key.replace("-", "_"))]:
        del meta[name]
