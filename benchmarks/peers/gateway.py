"""This gateway: `strangler run --workers 1`, a control process and one worker."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.peers.contender import Contender, Launch, printed
from benchmarks.processes import NotRunnable
from benchmarks.workload import AUDIENCE, ISSUER, PERCENT, Setting, prefixes

# YAML is a superset of JSON, so the configuration is written as JSON: no quoting to get wrong.
Json = dict[str, Any]


def _command() -> Path:
    found = Path(sys.executable).parent / "strangler"
    if not found.is_file():
        raise NotRunnable("the command `strangler` is not installed beside this Python")
    return found


def _version() -> str:
    _command()
    try:
        return metadata.version("strangler-gateway")
    except metadata.PackageNotFoundError as error:
        raise NotRunnable("the package strangler-gateway is not installed") from error


def how_it_runs() -> str:
    """The last words of `strangler --version`: compiled or interpreted, and how many modules."""
    return printed([_command(), "--version"]).strip().partition(", ")[2] or "interpreted"


def _common(setting: Setting) -> Json:
    shown = setting.certificate
    tls = {} if shown is None else {"tls": {"certificate": str(shown.certificate), "key": str(shown.key)}}
    return tls | {
        "version": 1,
        "listen": f"127.0.0.1:{setting.port}",
        "admin": f"127.0.0.1:{setting.admin_port}",
        "upstreams": {
            "legacy": {"endpoints": [f"http://127.0.0.1:{setting.legacy_port}"]},
            "extracted": {"endpoints": [f"http://127.0.0.1:{setting.extracted_port}"]},
        },
        "default": "legacy",
        "limits": {"body_bytes": "4GiB"},  # as the peers', which have none
    }


def _bare(setting: Setting) -> Json:
    return _common(setting) | {"access_log": {"enabled": False}}


def _full(setting: Setting) -> Json:
    # Access log and metrics are on by default.
    return _common(setting) | {
        "auth": {
            "providers": {
                "bench": {
                    "issuer": ISSUER,
                    "audience": AUDIENCE,
                    "jwks": "jwks.json",
                    "algorithms": ["RS256"],
                }
            }
        },
        "migrations": {
            "bench": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": PERCENT, "sticky": ["claim:sub"]},
                "auth": {"provider": "bench", "required": True},
                "routes": [{"match": {"path": f"{prefix}**"}} for prefix in prefixes(setting.routes)],
            }
        },
    }


def _launched(setting: Setting, described: Json, workers: int = 1) -> Launch:
    """How to start it by the configuration `described`."""
    setting.write("jwks.json", setting.credentials.jwks)
    config = setting.write("gateway.yaml", json.dumps(described, indent=1))
    command: list[str | Path] = [_command(), "run", config, "--workers", str(workers)]
    return Launch(command, f"http://127.0.0.1:{setting.admin_port}/readyz")


def _launch(setting: Setting) -> Launch:
    return _launched(setting, _full(setting) if setting.job == "full" else _bare(setting))


def _shadow(stage: str, *, dead: bool = False) -> Callable[[Setting], Launch]:
    """The full job in another stage: all GETs are copied in stage shadow, to nobody where `dead`."""

    def launch(setting: Setting) -> Launch:
        described = _full(setting)
        described["migrations"]["bench"] |= {
            "stage": stage,
            "shadow": {"noise_percent": 0, "store": "values"},
            "auth": {"provider": "bench", "required": False},
        }
        if dead:
            # Port 1 of this machine: connections are refused at once.
            described["upstreams"]["extracted"] = {"endpoints": ["http://127.0.0.1:1"]}
        return _launched(setting, described)

    return launch


def _launch_careful(setting: Setting) -> Launch:
    """The full job with everything against failures configured that a healthy upstream never needs."""
    described = _full(setting)
    for upstream in described["upstreams"].values():
        upstream |= {
            "health": {"path": "/healthz"},
            "breaker": {},
            "concurrency": {"limit": 1000},
            "timeouts": {"total": "60s"},
        }
    migration = described["migrations"]["bench"]
    migration |= {"breaker": {}, "fallback": {"statuses": [502, 503]}}
    for route in migration["routes"]:
        route["retries"] = {"attempts": 3, "statuses": [503]}
    return _launched(setting, described)


def _launch_two(setting: Setting) -> Launch:
    return _launched(setting, _full(setting), workers=2)


GATEWAY = Contender("this gateway", _version, _launch)
CAREFUL = Contender("this gateway, careful", _version, _launch_careful)
TWO_WORKERS = Contender("this gateway, two workers", _version, _launch_two)
SHADOW = (
    Contender("shadow off", _version, _shadow("legacy")),
    Contender("shadow on", _version, _shadow("shadow")),
    Contender("candidate dead", _version, _shadow("shadow", dead=True)),
)
