"""What the environment says, read once and checked as a whole.

Everything has a default but `JWKS`, for no key can be guessed, and the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from order_history_service.bug import BUGS

T = TypeVar("T")

DEFAULT_DATABASE_URL = "sqlite:///var/order_history.sqlite3"
REQUIRED = ("BROKER_URL",)
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
    jwks: str
    """Where the keys are: a file's path, or an http(s) URL."""
    jwks_timeout: float
    jwks_refresh: float
    """Age at which the keys are fetched again."""
    jwks_refetch_floor: float
    """Least time between two fetches, however many tokens name unknown keys."""
    jwt_issuer: str
    jwt_audience: str
    broker_url: str
    """Where the orders service announces what happens to orders."""
    wait: float
    """How long a caller who knows what happened is kept waiting until it is known here, too."""
    keep_alive: int
    """How long an idle connection stays open: longer than the gateway's own limit, so that the
    gateway, which knows whether it is about to send, is the one that closes."""
    stop_timeout: int
    """How long requests that have begun may take once the process is told to stop."""
    log_level: str
    bug: str
    """Which answers are deliberately wrong, as `order_history_service.bug` has them; nothing for none."""


def database_url(environment: Mapping[str, str]) -> str:
    """The service's own database."""
    return environment.get("DATABASE_URL", "").strip() or DEFAULT_DATABASE_URL


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

    jwks = read("JWKS", key_set_location, "")
    if not jwks and not problems:
        problems.append("JWKS: is required (a file's path or an http(s) URL of a JSON Web Key Set)")
    absent = [name for name in REQUIRED if not environment.get(name, "").strip()]
    problems += [f"{name}: is required" for name in absent]
    settings = Settings(
        host=read("HOST", str, "127.0.0.1"),
        port=read("PORT", whole_number(0, 65535), 8207),
        database_url=database_url(environment),
        database_threads=read("DATABASE_THREADS", whole_number(1, 100), 4),
        jwks=jwks,
        jwks_timeout=read("JWKS_TIMEOUT_SECONDS", seconds(0.1, 60), 3.0),
        jwks_refresh=read("JWKS_REFRESH_SECONDS", seconds(1, 86400), 300.0),
        jwks_refetch_floor=read("JWKS_REFETCH_FLOOR_SECONDS", seconds(0, 3600), 10.0),
        jwt_issuer=read("JWT_ISSUER", str, "https://id.shop.example"),
        jwt_audience=read("JWT_AUDIENCE", str, "shop"),
        broker_url=read("BROKER_URL", broker_url, ""),
        wait=read("WAIT_SECONDS", seconds(0, 60), 2.0),
        keep_alive=read("KEEP_ALIVE_SECONDS", whole_number(1, 3600), 75),
        stop_timeout=read("STOP_TIMEOUT_SECONDS", whole_number(1, 600), 10),
        log_level=read("LOG_LEVEL", one_of(LOG_LEVELS), "info"),
        bug=read("ORDER_HISTORY_BUG", one_of(BUGS), ""),
    )
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def key_set_location(text: str) -> str:
    """A path or an http(s) URL."""
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a file's path or an http(s) URL")
    return text


def broker_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "nats" or not parts.hostname:
        raise ValueError("must be a nats:// URL")
    return text


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of integers from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A parser of durations from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return value

    return parse


def one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of some words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text.lower()

    return parse
