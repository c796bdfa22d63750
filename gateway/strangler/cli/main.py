"""The command `strangler`.

Exit codes: 0 success, 1 failure (invalid, test failed, can't start),
2 wrong usage. Every command is a module of its own, imported when it is run,
so that one command does not wait for the libraries of another.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from strangler.cli.admin.address import WHERE_HELP, TokenFile, admin_address
from strangler.cli.configuration import Config, ConfigOption, ConfiguredCommand, arguments, configuration, fail, split
from strangler.cli.rollout.commands import app as rollout
from strangler.cli.shadow.commands import app as shadow

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A gateway in front of a monolith and the services extracted from it.",
)

app.add_typer(shadow, name="shadow")
app.add_typer(rollout, name="rollout")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Where = Annotated[str | None, typer.Argument(metavar="CONFIG|URL", help=WHERE_HELP, show_default=False)]
Claims = Annotated[
    list[str] | None,
    typer.Option("--claim", metavar="NAME=VALUE", help="A claim of the caller's verified token; may be repeated."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from strangler.compiled import how_it_runs

        print(f"strangler-gateway {metadata.version('strangler-gateway')}, {how_it_runs()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Config = None,
    config_option: ConfigOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes; one per core is a good number.")] = 1,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Listen at this address instead of the configured one; port 0 is any free port."
        ),
    ] = None,
    admin: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The same for the admin API; the log reports the address.")
    ] = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C."""
    from strangler.cli.run import run_gateway

    raise typer.Exit(run_gateway(configuration(config, config_option), workers, listen, admin))


@app.command()
def validate(config: Config = None, config_option: ConfigOption = None, as_json: AsJson = False) -> None:
    """Check a configuration and report every problem."""
    from strangler.cli.validate import validate_configuration

    raise typer.Exit(validate_configuration(configuration(config, config_option), as_json))


@app.command(cls=ConfiguredCommand)
def explain(
    given: Annotated[list[str], arguments("METHOD PATH", "The request's method, and its path with its query.")],
    config: ConfigOption = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header of the request; may be repeated."),
    ] = None,
    claim: Claims = None,
    certificate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="The client certificate's subject, or a dns or uri of its alternative names; may be repeated.",
        ),
    ] = None,
    address: Annotated[str, typer.Option(help="The caller's address.")] = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Show how the gateway handles a request, and why: route, side, upstream, headers."""
    from strangler.cli.explain.command import Question, explain_request

    file, (method, target) = split(given, "METHOD PATH", config)
    question = Question(method, target, header or [], claim or [], certificate or [], address)
    raise typer.Exit(explain_request(file, question, as_json))


@app.command("test")
def run_routing_tests(config: Config = None, config_option: ConfigOption = None, as_json: AsJson = False) -> None:
    """Run the routing tests of a configuration."""
    from strangler.cli.test import run_tests

    raise typer.Exit(run_tests(configuration(config, config_option), as_json))


@app.command()
def init(
    inventory: Annotated[
        Path | None,
        typer.Argument(
            metavar="INVENTORY",
            help="The routes of a Django project, from `manage.py strangler_inventory`; without it, none are written.",
            show_default=False,
        ),
    ] = None,
    monolith: Annotated[str, typer.Option(metavar="URL", help="The monolith's base URL.")] = "http://127.0.0.1:8000",
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("gateway.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a first configuration, with a migration for each Django app of an inventory."""
    from strangler.cli.init.command import init as write

    raise typer.Exit(write(inventory, monolith, out, force=force))


@app.command()
def token(
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A further claim; may be repeated."),
    ] = None,
    subject: Annotated[str, typer.Option(help="The claim sub.")] = "user-1",
    scope: Annotated[str, typer.Option(help="The claim scope: names separated by spaces.")] = "profile orders",
    issuer: Annotated[str, typer.Option(help="The claim iss.")] = "https://id.shop.example",
    audience: Annotated[str, typer.Option(help="The claim aud.")] = "shop",
    lifetime: Annotated[int, typer.Option(help="Seconds until it expires; negative for an expired token.")] = 3600,
    key: Annotated[Path, typer.Option(help="The private key, PEM.")] = Path("config/dev/signing-key.pem"),
) -> None:
    """Issue a token for development, signed with the development key."""
    from strangler.cli.token import mint_token

    registered = {"iss": issuer, "sub": subject, "aud": audience, "scope": scope}
    raise typer.Exit(mint_token(key, registered, lifetime, claim or []))


@app.command()
def status(
    where: Where = None,
    config: ConfigOption = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the state of a running gateway: configuration, workers, keys, endpoints, migrations, rollouts."""
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.status import show_status

    address = admin_address(where, config)
    raise typer.Exit(by_admin_api(address, token_file, lambda client: show_status(client, as_json)))


@app.command()
def freeze(
    reason: Annotated[str, typer.Option(help="Why; the status shows it.", show_default=False)],
    where: Where = None,
    config: ConfigOption = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let no rollout begin or go forward; rollbacks still happen."""
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.rollout.orders import freeze_rollouts

    address = admin_address(where, config)
    raise typer.Exit(by_admin_api(address, token_file, lambda client: freeze_rollouts(client, reason, as_json)))


@app.command()
def unfreeze(
    where: Where = None,
    config: ConfigOption = None,
    reason: Annotated[str, typer.Option(help="Why; the log shows it.", show_default=False)] = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """End a freeze."""
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.rollout.orders import unfreeze_rollouts

    address = admin_address(where, config)
    raise typer.Exit(by_admin_api(address, token_file, lambda client: unfreeze_rollouts(client, reason, as_json)))


@app.command()
def plan(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[OLD] NEW",
            help="NEW is a configuration, OLD another one or the URL of a running gateway's admin API. Default: the"
            " running gateway, at the address that NEW has for its admin API.",
            show_default=False,
        ),
    ],
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a configuration changes: routes, migrations, upstreams, and the share of last week's traffic it moves.

    The exit code is 1 where callers go back to the legacy side or would switch sides twice.
    """
    from strangler.cli.admin.client import by_admin_api
    from strangler.cli.plan import show_plan

    if len(given) > 2:
        fail(f"too many arguments: {' '.join(given)}", "NEW", "OLD")
    new, old = Path(given[-1]), given[0] if len(given) == 2 else None
    if old is not None and "://" not in old:
        raise typer.Exit(show_plan(Path(old), new, as_json))
    address = admin_address(old, None) if old is not None else admin_address(given[-1], None)
    raise typer.Exit(by_admin_api(address, token_file, lambda client: show_plan(client, new, as_json)))


@app.command()
def compare(
    legacy: Annotated[str, typer.Option(metavar="URL", help="The legacy side.", show_default=False)],
    extracted: Annotated[str, typer.Option(metavar="URL", help="The extracted side.", show_default=False)],
    har: Annotated[Path | None, typer.Option(help="Replay the requests of this HTTP Archive.")] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="With --har: replay the requests to this origin instead of the page's; may be repeated."
        ),
    ] = None,
    openapi: Annotated[
        Path | None, typer.Option(help="Replay the GET operations of this OpenAPI 3 description.")
    ] = None,
    urls: Annotated[
        Path | None, typer.Option(help="Replay these URLs or paths, one per line; - is standard input.")
    ] = None,
    named: Config = None,
    config: ConfigOption = None,
    migration: Annotated[
        str | None, typer.Option(help="Use this migration's rules, and replay only requests of its routes.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="The methods to replay, separated by commas. Default: GET,HEAD,OPTIONS.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", "-H", metavar="'NAME: VALUE'", help="Add this header to every request; may be repeated."
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="The Host to send to both sides. Default: that of the legacy URL.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Maximum concurrent requests.")] = 8,
    rate: Annotated[float, typer.Option(min=0, help="Maximum requests per second; 0 for no limit.")] = 0,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds to wait for a side before giving up.")] = 30,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one self-contained HTML file.", show_default=False)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Print complete lists instead of the first entries.")
    ] = False,
) -> None:
    """Replay recorded requests against both sides and report differences."""
    from strangler.cli.compare.command import compare_sides
    from strangler.cli.compare.options import Options

    if migration is not None:
        config = configuration(named, config)
    options = Options(
        legacy, extracted, har, origin or [], openapi, urls, config or named, migration,
        methods, header or [], host, concurrency, rate, timeout, as_json, html,
        everything,
    )  # fmt: skip
    raise typer.Exit(compare_sides(options))


@app.command(cls=ConfiguredCommand)
def capture(
    given: Annotated[list[str], arguments("MIGRATION", "The migration; it must be shadowing.")],
    out: Annotated[Path, typer.Option(help="The HTTP Archive to write.", show_default=False)],
    config: ConfigOption = None,
    requests: Annotated[int, typer.Option(min=1, help="Maximum number of requests.")] = 1000,
    duration: Annotated[str, typer.Option(help="Maximum time, such as 30s or 10m.")] = "1m",
    size: Annotated[str, typer.Option(help="Maximum size of the captured requests and responses.")] = "16MiB",
) -> None:
    """Write a sample of live traffic to an HTTP Archive, without credentials."""
    from strangler.cli.capture import Bounds, capture_traffic

    file, (migration,) = split(given, "MIGRATION", config)
    raise typer.Exit(capture_traffic(file, migration, out, Bounds(requests, duration, size)))


@app.command()
def demo(
    workers: Annotated[int, typer.Option(min=1, help="Worker processes of the gateway.")] = 2,
) -> None:
    """Start the gateway, monolith and extracted services of this checkout; Ctrl-C stops them."""
    from strangler.cli.demo.command import run_demo

    raise typer.Exit(run_demo(workers))


def main() -> None:
    """Entry point of the command."""
    app(prog_name="strangler")
