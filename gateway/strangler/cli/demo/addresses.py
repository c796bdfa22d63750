"""Where the parts of the demo listen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class DemoAddresses:
    """The base URLs of everything that the demo starts."""

    gateway: str
    admin: str
    monolith: str
    users: str
    catalog: str

    @classmethod
    def of_environment(cls) -> DemoAddresses:
        """Those that environment variables name, else those of config/gateway.yaml."""
        return cls(
            "http://" + os.environ.get("GATEWAY_LISTEN", "127.0.0.1:8080"),
            "http://" + os.environ.get("GATEWAY_ADMIN", "127.0.0.1:8081"),
            os.environ.get("MONOLITH_URL", "http://127.0.0.1:8100"),
            os.environ.get("USERS_URL", "http://127.0.0.1:8201"),
            os.environ.get("CATALOG_URL", "http://127.0.0.1:8202"),
        )

    def taken(self) -> Iterator[str]:
        """The addresses that are in use already."""
        for url in (self.gateway, self.admin, self.monolith, self.users, self.catalog):
            parts = urlsplit(url)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((parts.hostname or "", parts.port or 80))
                except OSError:
                    yield url
