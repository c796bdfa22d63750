"""Where the admin API of a running gateway is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from strangler.cli.configuration import PLACES, VARIABLE, configuration, configured, fail

DEFAULT = "http://127.0.0.1:8081"
WHERE_HELP = (
    "The gateway's configuration, which names the address of its admin API, or that API's URL; found as for all"
    f" commands, else {DEFAULT}."
)

TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The file with a token of the admin API. Default: the environment variable STRANGLER_ADMIN_TOKEN.",
        show_default=False,
    ),
]


class AdminAddress(NamedTuple):
    """The URL of an admin API, and where it comes from."""

    url: str
    source: str


def admin_address(where: str | None, option: Path | None) -> AdminAddress:
    """The URL of the admin API; ends the command with 2 if two places are given.

    The configuration need not be valid: an invalid one may be the reason for the question.
    """
    from strangler.config.schema.admin import AdminSection
    from strangler.config.text.problems import ConfigurationError
    from strangler.config.text.yaml_reader import read_document
    from strangler.config.values.endpoints import parse_listener
    from strangler.model.listener import ListenAddress

    if where is not None and "://" in where:
        if option is not None:
            fail(f"give either a URL or --config, not both: {where} and {option}")
        return AdminAddress(where, "")
    named = Path(where) if where is not None else None
    if named is None and option is None and configured(os.environ) is None:
        places = " or ".join(f"./{place}" for place in PLACES)
        return AdminAddress(DEFAULT, f"the default: {VARIABLE} is not set, and there is no {places} here")
    path = configuration(named, option)
    try:
        entry = read_document(path, os.environ, []).root.plain().get("admin")
        written = entry.get("listen") if isinstance(entry, dict) else entry
        listener = AdminSection().listen if written is None else parse_listener(str(written))
    except (ConfigurationError, ValueError, AttributeError) as error:
        reason = error.problems[0] if isinstance(error, ConfigurationError) else error
        return AdminAddress(DEFAULT, f"the default, because {path} can't be read: {reason}")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.host, listener.host)
    return AdminAddress(f"http://{ListenAddress(host, listener.port)}", f"`admin` of {path}")


def split_where(given: Sequence[str], own: str, option: Path | None) -> tuple[AdminAddress, list[str]]:
    """The admin API and the command's own arguments; `own` are the names of these, in brackets if it may be missing.

    Ends the command with 2 where there are too few or too many.
    """
    names = own.split()
    optional = [name for name in names if name.startswith("[")]
    if len(optional) == 1 and len(given) == 1 and _is_place(given[0]):
        return admin_address(given[0], option), []
    surplus = len(given) - len(names)
    if surplus < -len(optional) or surplus > 1:
        missing = " ".join(names[len(given) :])
        fail(f"{missing} is missing" if surplus < 0 else f"too many arguments: {' '.join(given)}", own, "CONFIG|URL")
    where = given[0] if surplus == 1 else None
    return admin_address(where, option), list(given[1:] if surplus == 1 else given)


def _is_place(text: str) -> bool:
    return "://" in text or Path(text).suffix in (".yaml", ".yml") or Path(text).is_dir()
