"""`strangler plan`: what a changed configuration would have sent elsewhere of last week's traffic."""

from __future__ import annotations

import sys
from pathlib import Path
from time import time
from typing import NamedTuple

import orjson

from strangler.cli.admin.client import AdminClient, AdminError
from strangler.cli.validate import print_problems
from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.plan import picture as pictures
from strangler.plan.change import plan
from strangler.plan.picture import Picture, picture_of
from strangler.plan.words import as_json, lines
from strangler.store.database import Database, StoreError
from strangler.traffic import week as weeks
from strangler.traffic.tables import metadata
from strangler.traffic.week import Week, read_week


class Present(NamedTuple):
    """What runs now or would: its routing, and the traffic of the last week, None where there is none."""

    picture: Picture
    week: Week | None


def show_plan(old: Path | AdminClient, new: Path, output_json: bool) -> int:
    """Print the plan; 1 where callers go back or would switch sides twice, or something can't be read."""
    try:
        present = _running(old) if isinstance(old, AdminClient) else _of_file(old)
        found = plan(present.picture, picture_of(load(new).snapshot), present.week)
    except ConfigurationError as error:
        print_problems(error)
        return 1
    except pictures.PictureError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 1
    if output_json:
        print(orjson.dumps(as_json(found), option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(lines(found)))
    return 1 if found.back or found.twice else 0


def _running(client: AdminClient) -> Present:
    picture = pictures.from_document(client.get("/routing"))
    try:
        return Present(picture, weeks.from_document(client.get("/traffic")))
    except (AdminError, weeks.WeekError) as error:
        _tell_of_no_traffic(error)
        return Present(picture, None)


def _of_file(path: Path) -> Present:
    loaded = load(path)
    try:
        return Present(picture_of(loaded.snapshot), week_of_store(loaded.snapshot.store.url))
    except StoreError as error:
        _tell_of_no_traffic(error)
        return Present(picture_of(loaded.snapshot), None)


def week_of_store(url: str) -> Week:
    """The last week in the store at `url`. Raises StoreError."""
    database = Database(url, metadata, create=False)
    try:
        return database.read(lambda connection: read_week(connection, time()))
    finally:
        database.close()


def _tell_of_no_traffic(error: Exception) -> None:
    print(f"strangler: no traffic of the last week can be read: {error}", file=sys.stderr)
