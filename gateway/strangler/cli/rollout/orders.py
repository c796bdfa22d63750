"""The work of `strangler rollout status`, `history` and the orders, and of `strangler freeze`."""

from __future__ import annotations

from typing import Any

import orjson

from strangler.cli.admin.client import AdminClient, AdminError, segment
from strangler.cli.rollout.text import gate_lines, history_lines, rollout_line, rollouts_lines
from strangler.config.text.problems import suggestion


def show_rollouts(client: AdminClient, migration: str | None, as_json: bool) -> int:
    """Print where rollouts stand; 1 where one is stuck or rolled back, or none is decided."""
    view = client.get("/rollouts")
    if migration is not None:
        _known(view, migration)
        view["rollouts"] = {migration: view["rollouts"][migration]}
    rollouts = view["rollouts"].values()
    if as_json:
        _print_json(view)
    else:
        for line in rollouts_lines(view):
            print(line)
            if migration is not None and line == rollout_line(view["rollouts"][migration]):
                print("\n".join(gate_lines(view["rollouts"][migration])))
        if not rollouts:
            print("no migration is in stage rollout")
    troubled = any(each["stuck"] is not None or each["state"] == "rolled back" for each in rollouts)
    return 1 if troubled or view["problem"] is not None else 0


def show_history(client: AdminClient, migration: str, limit: int, as_json: bool) -> int:
    """Print the audit of a migration's rollout."""
    entries = client.get(f"/rollouts/{segment(migration)}/history", limit=str(limit))
    if as_json:
        _print_json(entries)
        return 0
    for line in history_lines(entries):
        print(line)
    if not entries:
        print(f"nothing has happened to the rollout of {migration} yet")
    return 0


def give_order(client: AdminClient, migration: str, kind: str, document: dict[str, Any], as_json: bool) -> int:
    """Have an order carried out, and print where the rollout stands then."""
    view = client.post(f"/rollouts/{segment(migration)}/{kind}", document)
    if as_json:
        _print_json(view)
    else:
        print("\n".join(rollouts_lines(view, migration)))
    return 0


def freeze_rollouts(client: AdminClient, reason: str, as_json: bool) -> int:
    """Freeze all rollouts."""
    view = client.put("/freeze", {"reason": reason})
    if as_json:
        _print_json(view)
    else:
        print("\n".join([f"frozen: {reason}", *map(rollout_line, view["rollouts"].values())]))
    return 0


def unfreeze_rollouts(client: AdminClient, reason: str, as_json: bool) -> int:
    """End the freeze."""
    view = client.delete("/freeze", reason=reason)
    if as_json:
        _print_json(view)
    else:
        print("\n".join(["rollouts go on", *map(rollout_line, view["rollouts"].values())]))
    return 0


def _known(view: dict[str, Any], migration: str) -> None:
    names = list(view["rollouts"])
    if migration not in names:
        hint = suggestion(migration, names) or f"known: {', '.join(names) or 'none'}"
        raise AdminError(f"there is no rollout of '{migration}' ({hint})")


def _print_json(document: Any) -> None:
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
