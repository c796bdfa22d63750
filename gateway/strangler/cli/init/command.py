"""Writes the configuration and says how to go on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from strangler.cli.init.document import NoInventory, configuration, read_inventory
from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.model.snapshot import Snapshot


def init(inventory: Path | None, monolith: str, out: Path, *, force: bool) -> int:
    """Write `out` for the monolith at `monolith`; 1 if that is impossible or would replace a file."""
    if out.exists() and not force:
        print(f"strangler: {out} exists already; --force replaces it, --out names another file", file=sys.stderr)
        return 1
    try:
        found = None if inventory is None else read_inventory(inventory.read_text())
        written = _write(out, configuration(monolith, found))
    except NoInventory as error:
        print(f"strangler: {inventory}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"strangler: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ConfigurationError as error:
        print(f"strangler: {out} was written and is not valid; correct it by hand:\n{error}", file=sys.stderr)
        return 1
    _report(out, written, found)
    return 0


def _write(out: Path, text: str) -> Snapshot:
    out.write_text(text)
    return load(out, {}).snapshot


def _report(out: Path, snapshot: Snapshot, inventory: dict[str, Any] | None) -> None:
    listed = 0 if inventory is None else len(inventory["routes"])
    print(
        f"{out}: {len(snapshot.migrations)} migrations, {len(snapshot.routes)} of {listed} routes, all at the monolith"
    )
    path = next((f"/{route.path.strip('/')}" for route in snapshot.routes if "{" not in route.path), "/")
    print("Next:")
    print(f"  strangler run {out}")
    print(f"  strangler explain {out} GET {path}")
    print(f"  strangler validate {out}    # after each change")
