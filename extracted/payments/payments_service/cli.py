"""The command line: serve, migrate. Exit codes: 0 fine, 1 it could not be done, 2 wrong usage."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import structlog
import uvicorn
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from payments_service.app import build_app
from payments_service.database import DatabaseError, open_engine
from payments_service.migrate import migrate
from payments_service.request_log import configure_logging
from payments_service.settings import SettingsError, database_url, read_settings

SERVICE = "payments"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="payments_service", description=__doc__, epilog="Settings come from the environment: see README.md."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="answer requests until told to stop")
    commands.add_parser("migrate", help="bring the database's schema up to date")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "serve":
            return serve()
        configure_logging("info", SERVICE)
        return run_migrate()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseError, SQLAlchemyError) as error:
        # Of an error with a statement, what the database said about it is enough.
        reason = error.orig if isinstance(error, DBAPIError) else error
        print(f"{chosen.command}: {reason}", file=sys.stderr)
        return 1


def serve() -> int:
    """Serve until SIGTERM or SIGINT, then finish what has begun."""
    settings = read_settings(os.environ)
    configure_logging(settings.log_level, SERVICE)
    if settings.bug:
        structlog.get_logger().critical("answers are deliberately wrong: PAYMENTS_BUG is set", bug=settings.bug)
    # Once it has stopped cleanly, uvicorn raises the signal again, for whoever had a handler before it.
    # We have none that matters, and a clean stop should not look like a killed process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        build_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=settings.stop_timeout,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )
    try:
        uvicorn.Server(config).run()
    except SystemExit:
        # It could not start, for one because the port is taken, and has logged why.
        return 1
    return 0


def run_migrate() -> int:
    """Bring the schema up to date."""
    engine = open_engine(database_url(os.environ))
    try:
        revision = migrate(engine)
    finally:
        engine.dispose()
    structlog.get_logger().info("migrated", revision=revision)
    return 0
