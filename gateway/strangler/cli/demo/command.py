"""`strangler demo`: the reference system of a checkout, all of it on this machine.

Monolith, extracted services and gateway run as processes of their own, as they
would in production, with SQLite files and logs in `var/demo`. Addresses are
those of `config/gateway.yaml`; the same environment variables move them.
Ctrl-C, SIGTERM and SIGHUP stop everything, the gateway first, so that it can
finish the requests in flight.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from secrets import token_hex
from types import FrameType

import httpx

from strangler.cli.demo.addresses import DemoAddresses
from strangler.cli.demo.processes import Demo, DemoError, say
from strangler.config.compile.admin import VARIABLE

_CHOICES = ("USERS_STAGE", "USERS_BUG")
_NEEDED = ("config/gateway.yaml", "legacy_monolith/manage.py", "extracted/users", "extracted/catalog")


class _Stop(Exception):
    """A signal asks to stop."""


def run_demo(workers: int) -> int:
    """Run the demo until a signal; 1 where a part of it can't run, 2 outside of a checkout."""
    root = Path.cwd()
    missing = [name for name in _NEEDED if not (root / name).exists()]
    if missing:
        print(
            f"strangler: the demo runs in a checkout of strangler-gateway; there is no {missing[0]} here",
            file=sys.stderr,
        )
        return 2
    addresses = DemoAddresses.of_environment()
    taken = list(addresses.taken())
    if taken:
        print(
            f"strangler: address in use: {', '.join(taken)}. Is another demo running?"
            " Stop it with Ctrl-C; `ss -ltnp` shows which process it is.",
            file=sys.stderr,
        )
        return 1

    def stop(number: int, frame: FrameType | None) -> None:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda *_: None)
        raise _Stop

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    demo = Demo(root, addresses, workers, os.environ.get(VARIABLE) or token_hex())
    try:
        demo.start()
        print(_introduction(demo), flush=True)
        demo.wait()
    except _Stop:
        say("stopping")
        return 0
    except DemoError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 1
    finally:
        demo.stop()
        say(f"stopped; logs and databases stay in {demo.var}")
    return 0


def _introduction(demo: Demo) -> str:
    where = demo.addresses
    response = httpx.post(
        f"{where.gateway}/api/auth/token", json={"name": "alice", "password": "alice-password"}, trust_env=False
    )
    token = response.raise_for_status().json()["access_token"]
    chosen = [f"{name}={os.environ[name]}" for name in _CHOICES if os.environ.get(name)]
    as_chosen = (
        f"\nWith {' '.join(chosen)}; export the same in another terminal before you call strangler there"
        if chosen
        else ""
    )
    return f"""
Everything is running. Shop: {where.gateway}/   log in as alice, password alice-password
Behind it: monolith {where.monolith}, users {where.users}, catalog {where.catalog}
Admin: {where.admin}/status  /metrics  /routes    logs: {demo.var}{as_chosen}

A token for alice, valid for an hour, and requests to try in another terminal:

export TOKEN={token}
curl -i {where.gateway}/api/catalog/products/1
curl -i {where.gateway}/api/catalog/products/1 -H "Authorization: Bearer $TOKEN"
curl -i {where.gateway}/api/users/me -H "Authorization: Bearer $TOKEN"
curl -i {where.gateway}/api/users/me
curl -i {where.gateway}/api/orders -H "Authorization: Bearer $TOKEN"
curl -i {where.gateway}/api/orders -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d '{{"items": [{{"product_id": 33, "quantity": 1}}]}}'
.venv/bin/strangler explain config/gateway.yaml GET /api/catalog/products/1 --claim sub=user-1

A token that may order the gateway what rollouts do, until it stops:

export {VARIABLE}={demo.admin_token}
.venv/bin/strangler rollout status

Edit config/gateway.yaml: the gateway loads what you save, or reports here why it does not.
Requests and events follow (Ctrl-C stops everything):
"""
