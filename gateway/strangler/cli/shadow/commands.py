"""`strangler shadow`: what the comparison of both sides has found. Each command's work is a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strangler.cli.configuration import ConfigOption, ConfiguredCommand, arguments, fail, split

app = typer.Typer(no_args_is_help=True, help="Show what comparing both sides of a migration has found.")

Migration = Annotated[list[str], arguments("MIGRATION", "The migration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Everything = Annotated[bool, typer.Option("--all", help="Print complete lists instead of the first entries.")]


@app.command(cls=ConfiguredCommand)
def report(
    given: Migration,
    config: ConfigOption = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Only evidence of the last 30m, 24h and so on, in steps of ten minutes."),
    ] = None,
    target: Annotated[
        float, typer.Option(min=0.0001, max=50, help="The share of wrong responses to rule out, in percent.")
    ] = 0.1,
    epoch: Annotated[
        str | None, typer.Option(metavar="ID", help="An older epoch; 'strangler shadow epochs' lists them.")
    ] = None,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one self-contained HTML file.", show_default=False)
    ] = None,
    everything: Everything = False,
) -> None:
    """Show what is proven: pairs, differences with examples, latency, the verdict, and what is missing.

    The exit code is 0 if the target is proven and 1 if it is not.
    """
    from strangler.cli.shadow.report import ReportOptions, show_report

    file, (migration,) = split(given, "MIGRATION", config)
    options = ReportOptions(target / 100, since, epoch, as_json, html, everything)
    raise typer.Exit(show_report(file, migration, options))


@app.command(cls=ConfiguredCommand)
def epochs(given: Migration, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the epochs of the evidence: one for each version of both sides and of the rules. * marks the current one."""
    from strangler.cli.shadow.report import show_epochs

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(show_epochs(file, migration, as_json))


@app.command(cls=ConfiguredCommand)
def reset(
    given: Migration,
    reason: Annotated[str, typer.Option(help="The reason; reports show it.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Start a new epoch of evidence, as after a release without a version header. Older epochs stay readable."""
    from strangler.cli.shadow.report import reset_evidence

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(reset_evidence(file, migration, reason))


@app.command(cls=ConfiguredCommand)
def show(
    given: Annotated[list[str], arguments("ID", "The number of a stored pair.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
    as_pytest: Annotated[
        bool, typer.Option("--pytest", help="Print a test file that sends the request to both sides again.")
    ] = False,
) -> None:
    """Show a stored pair, and a curl command for each side to repeat it."""
    from strangler.cli.shadow.show import show_pair

    file, (text,) = split(given, "ID", config)
    if not text.isascii() or not text.isdigit():
        fail(f"{text!r} is not the number of a pair; `strangler shadow report` lists some")
    raise typer.Exit(show_pair(file, int(text), as_json, as_pytest))


@app.command(cls=ConfiguredCommand)
def rejudge(
    given: Migration,
    config: ConfigOption = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="A configuration with changed rules. Default: that of --config.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    everything: Everything = False,
) -> None:
    """Compare the stored pairs by changed rules: what they would hide, and what they would find."""
    from strangler.cli.shadow.rejudge import show_rejudged

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(show_rejudged(file, migration, rules, as_json, everything))


@app.command(cls=ConfiguredCommand)
def suggest(given: Migration, config: ConfigOption = None) -> None:
    """Print rules, as YAML, that would accept the differences between legacy's own responses."""
    from strangler.cli.shadow.suggest import print_suggestions

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(print_suggestions(file, migration))
