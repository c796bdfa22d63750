"""`strangler status`: the state of a running gateway."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson

from strangler.cli.configuration import PLACES, VARIABLE, configuration, configured, fail
from strangler.config.schema.configuration import Configuration
from strangler.config.text.problems import ConfigurationError
from strangler.config.text.yaml_reader import read_document
from strangler.config.values.endpoints import parse_listener
from strangler.model.listener import ListenAddress

DEFAULT = "http://127.0.0.1:8081"

_TIMEOUT = 5.0


def admin_address(where: str | None, option: Path | None) -> tuple[str, str]:
    """The URL of the admin API, and where it comes from; exits with 2 if two places are given.

    The configuration need not be valid: an invalid one may be the reason for the question.
    """
    if where is not None and "://" in where:
        if option is not None:
            fail(f"give either a URL or --config, not both: {where} and {option}")
        return where, ""
    named = Path(where) if where is not None else None
    if named is None and option is None and configured(os.environ) is None:
        places = " or ".join(f"./{place}" for place in PLACES)
        return DEFAULT, f"the default: {VARIABLE} is not set, and there is no {places} here"
    path = configuration(named, option)
    try:
        entry = read_document(path, os.environ, []).root.plain().get("admin")
        listener = Configuration.model_fields["admin"].default if entry is None else parse_listener(str(entry))
    except (ConfigurationError, ValueError, AttributeError) as error:
        reason = error.problems[0] if isinstance(error, ConfigurationError) else error
        return DEFAULT, f"the default, because {path} can't be read: {reason}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.host, listener.host)
    return f"http://{ListenAddress(host, listener.port)}", f"`admin` of {path}"


def show_status(admin: str, source: str, as_json: bool) -> int:
    """Print the state; 1 where no gateway can be reached, or it is not ready, degraded or outdated."""
    url = admin.rstrip("/") + "/status"
    try:
        response = httpx.get(url, timeout=_TIMEOUT, trust_env=False).raise_for_status()
        status = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # httpx adds a second line to the error of a status, about what statuses mean, and has errors without a text.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        print(f"strangler: no gateway responds at {url}{f' ({source})' if source else ''}: {reason}", file=sys.stderr)
        return 1
    if not isinstance(status, dict) or not {"ready", "configuration"} <= status.keys():
        print(f"strangler: {url} is not the admin API of a gateway", file=sys.stderr)
        return 1
    if as_json:
        print(orjson.dumps(status, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(status)
    return 0 if status["ready"] and status["configuration"]["valid"] and not status.get("degraded") else 1


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
