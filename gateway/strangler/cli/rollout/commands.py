"""`strangler rollout`: where rollouts stand, and orders about them. Each command's work is in a module of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strangler.cli.admin.address import WHERE_HELP, TokenFile, split_where
from strangler.cli.configuration import ConfigOption, ConfiguredCommand, arguments, split

app = typer.Typer(no_args_is_help=True, help="Show and order what the rollouts of a running gateway do.")

_WHERE = f" CONFIG|URL: {WHERE_HELP}"
Migration = Annotated[
    list[str],
    typer.Argument(metavar="[CONFIG|URL] MIGRATION", help="The migration." + _WHERE, show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; the history shows it.", show_default=False)]


@app.command(cls=ConfiguredCommand)
def status(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG|URL] [MIGRATION]", help="The migration; default: all." + _WHERE, show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show where rollouts stand: state, step, what is missing, time to go; of one migration its gates as well.

    The exit code is 1 if a rollout is stuck or rolled back, or none is decided.
    """
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.rollout.orders import show_rollouts

    address, own = split_where(given or [], "[MIGRATION]", config)
    migration = own[0] if own else None
    raise typer.Exit(by_admin_api(address, token_file, lambda client: show_rollouts(client, migration, as_json)))


@app.command(cls=ConfiguredCommand)
def history(
    given: Migration,
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of entries.")] = 20,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a rollout, the newest first: who or what, why, and what the gates showed."""
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.rollout.orders import show_history

    address, (migration,) = split_where(given, "MIGRATION", config)
    raise typer.Exit(by_admin_api(address, token_file, lambda client: show_history(client, migration, limit, as_json)))


def _add_order(kind: str, meaning: str) -> None:
    @app.command(kind, cls=ConfiguredCommand, help=meaning)
    def order(
        given: Migration,
        config: ConfigOption = None,
        reason: Reason = "",
        token_file: TokenFile = None,
        as_json: AsJson = False,
    ) -> None:
        _order(kind, given, config, token_file, as_json, reason=reason)


_add_order("approve", "Approve the next step of a rollout that waits for that.")
_add_order("pause", "Hold a rollout where it is. It still rolls back by itself.")
_add_order("resume", "End a pause; after a rollback, begin anew.")
_add_order("rollback", "Move all callers back to the legacy side. The rollout stays there until `resume`.")


@app.command(cls=ConfiguredCommand)
def promote(
    given: Migration,
    config: ConfigOption = None,
    reason: Reason = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also past a gate that does not pass; the history shows it.")
    ] = False,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Go to the next step now. No force goes past a gate that fails, a pause, a freeze or a dependency."""
    _order("promote", given, config, token_file, as_json, reason=reason, force=force)


@app.command(cls=ConfiguredCommand)
def simulate(
    given: Annotated[list[str], arguments("MIGRATION", "The migration.")],
    config: ConfigOption = None,
    bad_ratio: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="How many times as many callers a bad release fails. Default: `harmful_ratio`.",
            show_default=False,
        ),
    ] = None,
    callers_per_hour: Annotated[
        float | None,
        typer.Option(min=1, help="How many callers come in a mean hour. Default: as recorded.", show_default=False),
    ] = None,
    failing: Annotated[
        float, typer.Option(min=0, max=50, help="The share of callers who fail on the legacy side, in percent.")
    ] = 1.0,
    runs: Annotated[int, typer.Option(min=1, max=1_000_000, help="Simulated rollouts of each release.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Simulate a rollout on last week's traffic: how long steps take, whom a bad release meets, how often it errs."""
    from strangler.cli.rollout.simulate import SimulationOptions, simulate_rollout

    file, (migration,) = split(given, "MIGRATION", config)
    options = SimulationOptions(bad_ratio, callers_per_hour, failing, runs, as_json)
    raise typer.Exit(simulate_rollout(file, migration, options))


def _order(kind: str, given: list[str], config: Any, token_file: Any, as_json: bool, **document: Any) -> None:
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.rollout.orders import give_order

    address, (migration,) = split_where(given, "MIGRATION", config)
    raise typer.Exit(
        by_admin_api(address, token_file, lambda client: give_order(client, migration, kind, document, as_json))
    )
