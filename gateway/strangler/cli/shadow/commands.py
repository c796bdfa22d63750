"""`strangler shadow`: what the comparison of both sides has found. Each command's work is a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strangler.cli.configuration import Command, ConfigOption, arguments, fail, split

app = typer.Typer(no_args_is_help=True, help="What comparing both sides of a migration has found.")

Migration = Annotated[list[str], arguments("MIGRATION", "The migration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Everything = Annotated[bool, typer.Option("--all", help="Print all of it, however long that is.")]


@app.command(cls=Command)
def report(
    given: Migration,
    config: ConfigOption = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Only evidence of this last time, in steps of ten minutes: 30m, 24h."),
    ] = None,
    target: Annotated[
        float, typer.Option(min=0.0001, max=50, help="The share of wrong responses to rule out, in percent.")
    ] = 0.1,
    epoch: Annotated[
        str | None, typer.Option(metavar="ID", help="An older epoch; 'strangler shadow epochs' lists them.")
    ] = None,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained HTML file.", show_default=False)] = None,
    everything: Everything = False,
) -> None:
    """Show what is proven: pairs, differences with examples, latency, the verdict, what is missing.

    Exits with 0 where the target is proven and 1 where it is not.
    """
    from strangler.cli.shadow.report import ReportOptions, show_report

    file, (migration,) = split(given, "MIGRATION", config)
    options = ReportOptions(target / 100, since, epoch, as_json, html, everything)
    raise typer.Exit(show_report(file, migration, options))


@app.command(cls=Command)
def epochs(given: Migration, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the epochs of the evidence: one for each version of both sides and of the rules. * marks the present one."""
    from strangler.cli.shadow.report import show_epochs

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(show_epochs(file, migration, as_json))


@app.command(cls=Command)
def reset(
    given: Migration,
    reason: Annotated[str, typer.Option(help="Why; reports say it.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Begin the evidence anew, as after a release that tells no version. What was found before stays readable."""
    from strangler.cli.shadow.report import reset_evidence

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(reset_evidence(file, migration, reason))


@app.command(cls=Command)
def show(
    given: Annotated[list[str], arguments("ID", "The number of a stored pair.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
    as_pytest: Annotated[bool, typer.Option("--pytest", help="Print a test file that asks both sides again.")] = False,
) -> None:
    """Show a stored pair, and a curl command for each side to repeat it."""
    from strangler.cli.shadow.show import show_pair

    file, (text,) = split(given, "ID", config)
    if not text.isascii() or not text.isdigit():
        fail(f"{text!r} is not the number of a pair: `strangler shadow report` names some")
    raise typer.Exit(show_pair(file, int(text), as_json, as_pytest))


@app.command(cls=Command)
def rejudge(
    given: Migration,
    config: ConfigOption = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="A configuration with changed rules; that of --config unless given.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    everything: Everything = False,
) -> None:
    """Compare the stored pairs by changed rules: what these would hide, and what they would find."""
    from strangler.cli.shadow.rejudge import show_rejudged

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(show_rejudged(file, migration, rules, as_json, everything))


@app.command(cls=Command)
def suggest(given: Migration, config: ConfigOption = None) -> None:
    """Print rules, as YAML, that would let pass what legacy differs in from itself."""
    from strangler.cli.shadow.suggest import print_suggestions

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(print_suggestions(file, migration))
