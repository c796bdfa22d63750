"""The text of a first configuration: commented, valid, and without an effect until a stage is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strangler.cli.init.paths import path_pattern

FORMAT = "strangler-inventory/1"
_FIRST_PORT = 8201
_MOVABLE = frozenset({"page", "api"})


class NoInventory(ValueError):
    """The file is not an inventory that this version reads; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A route of an app: its pattern, None if there is none, and what a comment says of it."""

    route: str
    pattern: str | None
    methods: tuple[str, ...]
    comment: str


def read_inventory(text: str) -> dict[str, Any]:
    """The inventory in `text`. Raises NoInventory."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoInventory(f"it is not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("routes"), list):
        raise NoInventory(f"it is not of the format {FORMAT}: write it with `manage.py strangler_inventory`")
    return found


def configuration(monolith: str, inventory: Mapping[str, Any] | None) -> str:
    """The YAML for the monolith at the URL `monolith`, with a migration for each app of `inventory`."""
    migrations = _migrations(_apps(inventory["routes"])) if inventory is not None else {}
    lines = [
        "# Written by `strangler init`. Every request goes to the monolith until you change a stage.",
        "version: 1",
        "",
        "upstreams:",
        f"  monolith: {{endpoints: [{json.dumps(monolith)}]}}",
    ]
    for number, app in enumerate(migrations):
        lines += [
            f"  {app}: {{endpoints: [{json.dumps(f'http://127.0.0.1:{_FIRST_PORT + number}')}]}}  # not there yet"
        ]
    lines += ["", "default: monolith", ""]
    if inventory is not None:
        lines += _sessions(inventory)
        lines += _others(inventory["routes"])
    if migrations:
        lines += ["migrations:"]
        for app, routes in migrations.items():
            lines += [f"  {app}:", "    from: monolith", f"    to: {app}"]
            lines += ["    stage: legacy  # then shadow, canary, extracted, retired", "    routes:", *routes]
    return "\n".join(lines).rstrip("\n") + "\n"


def _apps(routes: Sequence[Mapping[str, Any]]) -> dict[str, list[Entry]]:
    """The routes that may move, by app; those of Django itself stay."""
    apps: dict[str, list[Entry]] = {}
    for route in routes:
        view = str(route.get("view", ""))
        if route.get("kind") not in _MOVABLE or view.startswith("django."):
            continue
        name = re.sub(r"[^a-z0-9]+", "-", str(route.get("app", "")).lower()).strip("-")
        pattern = path_pattern(str(route["route"]), regex=bool(route.get("regex")))
        protected = ", ".join(route.get("decorators", ()))
        entry = Entry(
            str(route["route"]),
            pattern,
            tuple(route.get("methods") or ()),
            f"{view}; {protected}" if protected else view,
        )
        apps.setdefault(f"{name}-app" if name in ("", "monolith") else name, []).append(entry)
    return apps


def _migrations(apps: Mapping[str, Sequence[Entry]]) -> dict[str, list[str]]:
    """The lines of each app's routes; apps without a route that the gateway can name are left out."""
    taken: set[tuple[str, str]] = set()
    lines = {app: list(_routes(entries, taken)) for app, entries in apps.items()}
    return {app: routes for app, routes in lines.items() if any("- match:" in line for line in routes)}


def _sessions(inventory: Mapping[str, Any]) -> Iterator[str]:
    cookie = json.dumps(str(inventory.get("session_cookie", "sessionid")))
    yield "# Callers by their login session (docs/identity.md); migrations then need `auth: {provider: sessions}`."
    yield "# auth:"
    yield "#   providers:"
    yield "#     sessions:"
    yield f'#       django_session: {{upstream: monolith, secret: "${{STRANGLER_SECRET}}", cookie: {cookie}}}'
    yield ""


def _others(routes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    others = [route for route in routes if route.get("kind") not in _MOVABLE]
    if others:
        yield "# These stay with the monolith:"
        for route in others:
            yield f"#   {route['kind']}: {json.dumps(str(route['route']))}"
        yield ""


def _routes(entries: Sequence[Entry], taken: set[tuple[str, str]]) -> Iterator[str]:
    for entry in entries:
        methods = entry.methods or ("",)
        if entry.pattern is None:
            yield f"      # no path pattern for {json.dumps(entry.route)} ({entry.comment})"
            continue
        # Two routes that differ in names and converters alone would tie; Django asks them in order.
        shape = re.sub(r"\{\w+\}|\*(?!\*)", "*", entry.pattern)
        if any((shape, method) in taken or (shape, "") in taken for method in methods) or (
            methods == ("",) and any(known == shape for known, _ in taken)
        ):
            yield f"      # the same to the gateway as one above: {json.dumps(entry.route)} ({entry.comment})"
            continue
        taken |= {(shape, method) for method in methods}
        limited = f", methods: [{', '.join(entry.methods)}]" if entry.methods else ""
        yield f"      # {entry.comment}"
        yield f"      - match: {{path: {json.dumps(entry.pattern)}{limited}}}"
