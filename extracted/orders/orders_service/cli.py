"""The command line: serve, migrate, fill. Exit codes: 0 fine, 1 it could not be done, 2 wrong usage."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import structlog
import uvicorn
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from orders_service.app import build_app
from orders_service.database import DatabaseError, open_engine, open_source
from orders_service.fill import FillError, fill
from orders_service.migrate import migrate
from orders_service.read_model import rebuild
from orders_service.request_log import configure_logging
from orders_service.service_tokens import SigningKeyError
from orders_service.settings import SettingsError, database_url, monolith_database_url, read_settings
from orders_service.shipping import NotShippable, ship

SERVICE = "orders"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="orders_service", description=__doc__, epilog="Settings come from the environment: see README.md."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="answer requests until told to stop")
    commands.add_parser("migrate", help="bring the database's schema up to date")
    commands.add_parser("fill", help="copy the monolith's orders (MONOLITH_DATABASE_URL) to here")
    commands.add_parser("rebuild", help="make the read model anew from the events")
    shipping = commands.add_parser("ship", help="note that an order has left the warehouse")
    shipping.add_argument("number", type=int)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "serve":
            return serve()
        configure_logging("info", SERVICE)
        if chosen.command == "migrate":
            return run_migrate()
        if chosen.command == "rebuild":
            return run_rebuild()
        if chosen.command == "ship":
            return run_ship(chosen.number)
        return run_fill()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseError, FillError, NotShippable, SigningKeyError, SQLAlchemyError) as error:
        # Of an error with a statement, what the database said about it is enough.
        reason = error.orig if isinstance(error, DBAPIError) else error
        print(f"{chosen.command}: {reason}", file=sys.stderr)
        return 1


def serve() -> int:
    """Serve until SIGTERM or SIGINT, then finish what has begun."""
    settings = read_settings(os.environ)
    configure_logging(settings.log_level, SERVICE)
    if settings.bug:
        structlog.get_logger().critical("answers are deliberately wrong: ORDERS_BUG is set", bug=settings.bug)
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


def run_fill() -> int:
    """Migrate, then copy."""
    source = open_source(monolith_database_url(os.environ))
    try:
        target = open_engine(database_url(os.environ))
        try:
            migrate(target)
            filled = fill(source, target)
        finally:
            target.dispose()
    finally:
        source.dispose()
    structlog.get_logger().info("filled", orders=filled.copied, known=filled.known)
    return 0


def run_rebuild() -> int:
    """Make the read model anew; requests see the old one until it is whole."""
    engine = open_engine(database_url(os.environ))
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            count = rebuild(connection)
    finally:
        engine.dispose()
    structlog.get_logger().info("rebuilt", orders=count)
    return 0


def run_ship(number: int) -> int:
    """Note that an order has left the warehouse."""
    engine = open_engine(database_url(os.environ))
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            ship(connection, number)
    finally:
        engine.dispose()
    structlog.get_logger().info("shipped", order=number)
    return 0
