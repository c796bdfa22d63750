"""How every command finds its configuration.

The first of these that is there: an argument before the command's own ones, or
`--config`; the environment variable STRANGLER_CONFIG; `gateway.yaml` in the
current folder; `config/gateway.yaml` below it, as in a checkout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

VARIABLE = "STRANGLER_CONFIG"
PLACES = (Path("gateway.yaml"), Path("config/gateway.yaml"))

_HELP = f"The YAML file, or a folder of YAML files. Default: {VARIABLE}, then ./{PLACES[0]}."

Config = Annotated[Path | None, typer.Argument(metavar="CONFIG", help=_HELP, show_default=False)]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="CONFIG", help="The configuration, as an option.", show_default=False),
]


class ConfiguredCommand(TyperCommand):
    """A command whose own arguments are declared by `arguments`: its usage shows them as they are given."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[CONFIG] METHOD PATH` rather than `{[CONFIG] METHOD PATH}...`."""
        return [piece.removeprefix("{").removesuffix("}...") for piece in super().collect_usage_pieces(ctx)]


def arguments(own: str, help_text: str) -> typer.models.ArgumentInfo:
    """The declaration of the arguments named in `own`, with the configuration before them."""
    text = f"{help_text} CONFIG: {_HELP}"
    declared: typer.models.ArgumentInfo = typer.Argument(metavar=f"[CONFIG] {own}", help=text, show_default=False)
    return declared


def split(given: Sequence[str], own: str, option: Path | None) -> tuple[Path, list[str]]:
    """The configuration and the command's own arguments; `own` are the names of these.

    Ends the command with 2 where there are too few or too many, or no configuration.
    """
    from strangler.config.text.yaml_reader import SUFFIXES

    names = own.split()
    surplus = len(given) - len(names)
    if surplus not in (0, 1):
        missing = " ".join(names[len(given) :])
        fail(f"{missing} is missing" if surplus < 0 else f"too many arguments: {' '.join(given)}", own)
    if surplus == 0 and Path(given[0]).suffix in SUFFIXES and Path(given[0]).exists():
        fail(f"{names[-1]} is missing: {given[0]} is a file, so it was read as CONFIG", own)
    return configuration(Path(given[0]) if surplus else None, option), list(given[surplus:])


def configuration(argument: Path | None, option: Path | None) -> Path:
    """The configuration; without one, reports where it looked and ends the command with 2."""
    if argument is not None and option is not None and argument != option:
        fail(f"two configurations are given: {argument} and --config {option}")
    named = argument or option
    chosen = named or configured(os.environ)
    if chosen is None:
        places = " or ".join(f"./{place}" for place in PLACES)
        fail(
            f"no configuration found: none given as an argument or by --config, {VARIABLE} is not set, and there"
            f" is no {places} in {here()}"
        )
    if named is None and not chosen.exists():
        fail(f"there is no {chosen}, which {VARIABLE} names, in {here()}")
    return chosen


def configured(environment: Mapping[str, str]) -> Path | None:
    """The configuration where no argument names it, None where there is none."""
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    return next((place for place in PLACES if place.exists()), None)


def here() -> str:
    """The current folder."""
    try:
        return str(Path.cwd())
    except OSError:
        return "a folder that no longer exists"


def fail(message: str, own: str = "", place: str = "CONFIG") -> NoReturn:
    """End the command for wrong usage."""
    usage = f" (expected: [{place}] {own})" if own else ""
    print(f"strangler: {message}{usage}", file=sys.stderr)
    raise typer.Exit(2)
