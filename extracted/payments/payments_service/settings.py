"""What the environment says, read once and checked as a whole.

Everything has a default but who may call, and the provider with its secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from payments_service.bug import BUGS
from payments_service.provider import ProviderSettings

T = TypeVar("T")

DEFAULT_DATABASE_URL = "sqlite:///var/payments.sqlite3"
REQUIRED = ("PROVIDER_URL", "PROVIDER_API_KEY", "WEBHOOK_SECRETS")
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
    callers: Mapping[str, str]
    """Where the key set of each service that may call is, by the service's name: a file's path, or an http(s) URL."""
    audience: str
    """This service's name in the tokens of its callers."""
    jwks_timeout: float
    jwks_refresh: float
    """Age at which the keys are fetched again."""
    jwks_refetch_floor: float
    """Least time between two fetches, however many tokens name unknown keys."""
    provider: ProviderSettings
    webhook_secrets: tuple[str, ...]
    """What the provider's webhooks may be signed with."""
    redis_url: str
    """Where leases are; empty for the database."""
    settle_pause: float
    """How long the background waits before it looks for unsettled charges again."""
    keep_alive: int
    """How long an idle connection stays open: longer than the gateway's own limit, so that the
    gateway, which knows whether it is about to send, is the one that closes."""
    stop_timeout: int
    """How long requests that have begun may take once the process is told to stop."""
    log_level: str
    bug: str
    """Which answers are deliberately wrong, as `payments_service.bug` has them; nothing for none."""


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

    nobody: Mapping[str, str] = {}
    unknown: tuple[str, ...] = ()
    callers = read("CALLERS", key_sets, nobody)
    if not callers and not problems:
        problems.append("CALLERS: is required (NAME=KEYS of each service that may call, with commas between)")
    absent = [name for name in REQUIRED if not environment.get(name, "").strip()]
    problems += [f"{name}: is required" for name in absent]
    settings = Settings(
        host=read("HOST", str, "127.0.0.1"),
        port=read("PORT", whole_number(0, 65535), 8205),
        database_url=database_url(environment),
        database_threads=read("DATABASE_THREADS", whole_number(1, 100), 4),
        callers=callers,
        audience=read("AUDIENCE", str, "payments"),
        jwks_timeout=read("JWKS_TIMEOUT_SECONDS", seconds(0.1, 60), 3.0),
        jwks_refresh=read("JWKS_REFRESH_SECONDS", seconds(1, 86400), 300.0),
        jwks_refetch_floor=read("JWKS_REFETCH_FLOOR_SECONDS", seconds(0, 3600), 10.0),
        provider=ProviderSettings(
            url=read("PROVIDER_URL", http_url, ""),
            api_key=read("PROVIDER_API_KEY", str, ""),
            timeout=read("PROVIDER_TIMEOUT_SECONDS", seconds(0.05, 60), 2.0),
            attempts=read("PROVIDER_ATTEMPTS", whole_number(1, 10), 3),
            retry_budget=read("PROVIDER_RETRY_SECONDS", seconds(0, 60), 3.0),
            breaker_failures=read("BREAKER_FAILURES", whole_number(1, 1000), 5),
            breaker_pause=read("BREAKER_PAUSE_SECONDS", seconds(0.05, 3600), 10.0),
        ),
        webhook_secrets=read("WEBHOOK_SECRETS", words, unknown),
        redis_url=read("REDIS_URL", redis_url, ""),
        settle_pause=read("SETTLE_PAUSE_SECONDS", seconds(0.01, 3600), 1.0),
        keep_alive=read("KEEP_ALIVE_SECONDS", whole_number(1, 3600), 75),
        stop_timeout=read("STOP_TIMEOUT_SECONDS", whole_number(1, 600), 10),
        log_level=read("LOG_LEVEL", one_of(LOG_LEVELS), "info"),
        bug=read("PAYMENTS_BUG", one_of(BUGS), ""),
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


def http_url(text: str) -> str:
    """An http(s) URL, without the path's last slash."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http(s) URL")
    return text.rstrip("/")


def redis_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must be a redis:// or rediss:// URL")
    return text


def words(text: str) -> tuple[str, ...]:
    """Texts with commas between."""
    found = tuple(word.strip() for word in text.split(","))
    if not all(found):
        raise ValueError("must be texts with commas between")
    return found


def key_sets(text: str) -> Mapping[str, str]:
    """Locations of key sets by the name of their service, from `name=location,name=location`."""
    found: dict[str, str] = {}
    for member in text.split(","):
        name, separator, location = member.strip().partition("=")
        if not (separator and name and location) or name in found:
            raise ValueError("must be NAME=KEYS for each service, once, with commas between")
        found[name] = key_set_location(location)
    return found


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
