"""What the environment says, read once and checked as a whole. To serve, nothing has to be set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from catalog_service.bug import BUGS

T = TypeVar("T")

DEFAULT_DATABASE_URL = "sqlite:///var/catalog.sqlite3"
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """The environment is not usable; the message has one line for each variable that is wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How `serve` runs. Times are seconds."""

    host: str
    port: int
    database_url: str
    database_threads: int
    """Database calls at the same time; each has a thread and a connection."""
    keep_alive: int
    """How long an idle connection stays open: longer than the gateway's own limit, so that the
    gateway, which knows whether it is about to send, is the one that closes."""
    stop_timeout: int
    """How long requests that have begun may take once the process is told to stop."""
    log_level: str
    bug: str
    """Which answers are deliberately wrong, as `catalog_service.bug` has them; nothing for none."""


def database_url(environment: Mapping[str, str]) -> str:
    """The service's own database."""
    return environment.get("DATABASE_URL", "").strip() or DEFAULT_DATABASE_URL


def monolith_database_url(environment: Mapping[str, str]) -> str:
    """The monolith's database, as a SQLAlchemy URL; a bare path means a SQLite file.

    Raises `SettingsError` if it is not set.
    """
    value = environment.get("MONOLITH_DATABASE_URL", "").strip()
    if not value:
        raise SettingsError("MONOLITH_DATABASE_URL: is required (a URL, or the path of a SQLite file)")
    return value if "://" in value else f"sqlite:///{value}"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """All of it, or a `SettingsError` that names everything that is wrong."""
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        text = environment.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            problems.append(f"{name}: {error}, not {text!r}")
            return default

    settings = Settings(
        host=read("HOST", str, "127.0.0.1"),
        port=read("PORT", whole_number(0, 65535), 8202),
        database_url=database_url(environment),
        database_threads=read("DATABASE_THREADS", whole_number(1, 100), 4),
        keep_alive=read("KEEP_ALIVE_SECONDS", whole_number(1, 3600), 75),
        stop_timeout=read("STOP_TIMEOUT_SECONDS", whole_number(1, 600), 10),
        log_level=read("LOG_LEVEL", one_of(LOG_LEVELS), "info"),
        bug=read("CATALOG_BUG", one_of(BUGS), ""),
    )
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of integers from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of some words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text.lower()

    return parse
