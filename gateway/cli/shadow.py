"""`strangler shadow`: what the comparison of both sides has found. Each command's work is a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="What comparing both sides of a migration has found.")

Migration = Annotated[str, typer.Argument(metavar="MIGRATION", help="The migration.", show_default=False)]
Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="STRANGLER_CONFIG", help="The gateway's configuration; it names the store."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Everything = Annotated[bool, typer.Option("--all", help="Print all of it, however long that is.")]
_CONFIG = Path("config/gateway.yaml")


@app.command()
def report(
    migration: Migration,
    config: Config = _CONFIG,
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
    from gateway.cli.shadow_report import ReportOptions, show_report

    options = ReportOptions(target / 100, since, epoch, as_json, html, everything)
    raise typer.Exit(show_report(config, migration, options))


@app.command()
def epochs(migration: Migration, config: Config = _CONFIG, as_json: AsJson = False) -> None:
    """List the epochs of the evidence: one for each version of both sides and of the rules. * marks the present one."""
    from gateway.cli.shadow_report import show_epochs

    raise typer.Exit(show_epochs(config, migration, as_json))


@app.command()
def reset(
    migration: Migration,
    reason: Annotated[str, typer.Option(help="Why; reports say it.", show_default=False)],
    config: Config = _CONFIG,
) -> None:
    """Begin the evidence anew, as after a release that tells no version. What was found before stays readable."""
    from gateway.cli.shadow_report import reset_evidence

    raise typer.Exit(reset_evidence(config, migration, reason))


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="The number of a stored pair.", show_default=False)],
    config: Config = _CONFIG,
    as_json: AsJson = False,
    as_pytest: Annotated[bool, typer.Option("--pytest", help="Print a test file that asks both sides again.")] = False,
) -> None:
    """Show a stored pair, and a curl command for each side to repeat it."""
    from gateway.cli.shadow_show import show_pair

    raise typer.Exit(show_pair(config, number, as_json, as_pytest))


@app.command()
def rejudge(
    migration: Migration,
    config: Config = _CONFIG,
    rules: Annotated[
        Path | None,
        typer.Option(help="A configuration with changed rules; that of --config unless given.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    everything: Everything = False,
) -> None:
    """Compare the stored pairs by changed rules: what these would hide, and what they would find."""
    from gateway.cli.shadow_rejudge import show_rejudged

    raise typer.Exit(show_rejudged(config, migration, rules, as_json, everything))


@app.command()
def suggest(migration: Migration, config: Config = _CONFIG) -> None:
    """Print rules, as YAML, that would let pass what legacy differs in from itself."""
    from gateway.cli.shadow_suggest import print_suggestions

    raise typer.Exit(print_suggestions(config, migration))
