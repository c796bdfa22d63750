"""The command line. Exit codes: 0 fine, 1 it could not be done, 2 wrong usage."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence

import structlog
import uvicorn
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from order_history_service.app import build_app
from order_history_service.database import DatabaseError, open_engine
from order_history_service.dead_letters import find_dead_letters, redrive
from order_history_service.migrate import migrate
from order_history_service.request_log import configure_logging
from order_history_service.settings import SettingsError, database_url, read_settings

SERVICE = "order_history"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="order_history_service", description=__doc__, epilog="Settings come from the environment: see README.md."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="answer requests until told to stop")
    commands.add_parser("migrate", help="bring the database's schema up to date")
    commands.add_parser("dead-letters", help="show messages that could not be applied")
    commands.add_parser("redrive", help="apply them again")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "serve":
            return serve()
        configure_logging("info", SERVICE)
        if chosen.command == "dead-letters":
            return run_dead_letters()
        if chosen.command == "redrive":
            return run_redrive()
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
        structlog.get_logger().critical("answers are deliberately wrong: ORDER_HISTORY_BUG is set", bug=settings.bug)
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


def run_dead_letters() -> int:
    """One line of JSON for each."""
    engine = open_engine(database_url(os.environ))
    try:
        with engine.connect() as connection:
            for letter in find_dead_letters(connection):
                print(json.dumps(letter._asdict(), default=str))
    finally:
        engine.dispose()
    return 0


def run_redrive() -> int:
    """Apply each again, and drop it if that succeeds; 1 if some still can't be applied."""
    engine = open_engine(database_url(os.environ))
    try:
        applied, failed = redrive(engine)
    finally:
        engine.dispose()
    structlog.get_logger().info("redriven", applied=applied, failed=failed)
    return 1 if failed else 0
