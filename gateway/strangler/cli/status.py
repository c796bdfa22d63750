"""`strangler status`: the state of a running gateway."""

from __future__ import annotations

import sys
from typing import Any

import orjson

from strangler.cli.admin.client import AdminClient
from strangler.cli.rollout.text import rollouts_lines


def show_status(client: AdminClient, as_json: bool) -> int:
    """Print the state; 1 where the gateway is not ready, degraded or outdated. Raises AdminError."""
    status = client.get("/status")
    rollouts = client.get("/rollouts") if _has_rollouts(status) else None
    url = client.address.url.rstrip("/") + "/status"
    if not isinstance(status, dict) or not {"ready", "configuration"} <= status.keys():
        print(f"strangler: {url} is not the admin API of a gateway", file=sys.stderr)
        return 1
    if as_json:
        print(orjson.dumps(status, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(status)
        for line in () if rollouts is None else rollouts_lines(rollouts):
            print(line)
    return 0 if status["ready"] and status["configuration"]["valid"] and not status.get("degraded") else 1


def _has_rollouts(status: Any) -> bool:
    migrations = status.get("migrations", {}) if isinstance(status, dict) else {}
    return any(migration.get("rolled_out") for migration in migrations.values())


def _print(status: dict[str, Any]) -> None:
    configuration = status["configuration"]
    print("ready" if status["ready"] else "not ready")
    for problem in status.get("degraded", []):
        print(f"degraded: {problem}")
    version = f"version {configuration['version']}, loaded at {configuration['loaded_at']}"
    print(f"configuration {configuration['path']}, {version}")
    for problem in configuration["problems"]:
        print(f"  invalid since then, not in use: {problem}")
    workers = len(status["workers"])
    print(f"{workers} worker{'' if workers == 1 else 's'}, {status['worker_restarts']} replaced")
    for name, provider in status["providers"].items():
        state = f"keys fetched at {provider['fetched_at']}" if provider["keys"] else "no keys: its routes respond 503"
        print(f"provider {name}: {state}" + (f" ({provider['last_error']})" if provider["last_error"] else ""))
    for check in status["health"]:
        print(f"endpoint {check['endpoint']} of {check['upstream']}: {health_text(check)}")
    for name, upstream in status["upstreams"].items():
        for endpoint in upstream.get("endpoints", []):
            if endpoint["ejected_by_workers"]:
                print(f"endpoint {endpoint['url']} of {name}: ejected by {endpoint['ejected_by_workers']} workers")
        breaker = upstream.get("breaker", {"workers": {}})["workers"]
        if breaker:
            print(f"breaker of {name}: " + ", ".join(f"{state} in {count}" for state, count in sorted(breaker.items())))
    for name, migration in status["migrations"].items():
        percent = f" at {migration['percent']:g} %" if migration["stage"] == "canary" else ""
        print(f"migration {name}: {migration['stage']}{percent}, {migration['legacy']} → {migration['extracted']}")
        if migration["fallbacks"]:
            print(f"  served by {migration['legacy']} as fallback: {sum(migration['fallbacks'].values())} requests")
    for name, shadow in status["shadow"].get("migrations", {}).items():
        print(f"shadow of {name}: {_shadow(shadow)}")


def health_text(check: dict[str, Any]) -> str:
    """How an endpoint is: some checks must fail, or go well, before it counts as the other."""
    good, last = check.get("last_good", check["up"]), check["last"]
    if good is None:
        return "assumed up (not checked yet)"
    if good == check["up"]:
        return f"{'up' if check['up'] else 'down'} ({last})"
    row = check.get("in_a_row", 1)
    checks = "the last check" if row == 1 else f"the last {row} checks"
    outcome = "went well" if good else "failed"
    return f"{'up' if check['up'] else 'down'}, but {checks} {outcome} ({last})"


def _shadow(shadow: dict[str, Any]) -> str:
    skipped = ", ".join(f"{reason} {count}" for reason, count in sorted(shadow["not_compared"].items()))
    text = (
        f"{shadow['match']} match, {shadow['mismatch']} mismatch, {shadow['ignored']} ignored, "
        f"not compared: {skipped or 'none'}"
    )
    for problem in (shadow["problem"], shadow["store_error"]):
        if problem:
            text += f"; WARNING: {problem}"
    return text
