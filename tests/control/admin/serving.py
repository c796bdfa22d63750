"""The admin API of made-up rollouts on a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from strangler.control.admin.api import AdminServer
from tests.control.admin.gateways import AdminApi
from tests.e2e.waiting import wait_for


@contextmanager
def serving(api: AdminApi) -> Iterator[str]:
    """Serve `api` on a free port of loopback; the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = AdminServer(api.gateway, api.rollouts, api.listener)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            wait_for(lambda: server.started, "the admin API to listen")
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
