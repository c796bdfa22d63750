"""Which modules run as machine code, compiled ahead of time by mypyc (docs/decisions/0031).

The source is the same plain Python in either case. A wheel that was built where
there is a C compiler has an extension beside each of `MODULES`, which Python
prefers to the source; a checkout has none and is interpreted. setup.py reads
this module before anything is installed, so that it imports the standard library alone.
"""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

MODULES: Final = (
    "strangler.auth.claims",
    "strangler.auth.identity",
    "strangler.auth.remembered",
    "strangler.auth.require",
    "strangler.auth.verify",
    "strangler.model.route_index",
    "strangler.observe.access_log",
    "strangler.observe.counters",
    "strangler.observe.route_callers",
    "strangler.proxy.client.connection",
    "strangler.proxy.client.connection_limits",
    "strangler.proxy.client.endings",
    "strangler.proxy.client.peer",
    "strangler.proxy.client.refused_request",
    "strangler.proxy.client.request_reader",
    "strangler.proxy.client.states",
    "strangler.proxy.exchange.admission",
    "strangler.proxy.exchange.attempts",
    "strangler.proxy.exchange.authentication",
    "strangler.proxy.exchange.completion",
    "strangler.proxy.exchange.counted_callers",
    "strangler.proxy.exchange.exchange",
    "strangler.proxy.exchange.failures",
    "strangler.proxy.exchange.gathered_head",
    "strangler.proxy.exchange.plain_head",
    "strangler.proxy.exchange.recovery",
    "strangler.proxy.exchange.request_body",
    "strangler.proxy.exchange.request_head",
    "strangler.proxy.exchange.response",
    "strangler.proxy.exchange.sending",
    "strangler.proxy.exchange.transforms",
    "strangler.proxy.exchange.under_way",
    "strangler.proxy.http.field_actions",
    "strangler.proxy.http.headers",
    "strangler.proxy.http.plain_lines",
    "strangler.proxy.http.problem_responses",
    "strangler.proxy.http.status_lines",
    "strangler.proxy.http.writing",
    "strangler.proxy.upstream.connection",
    "strangler.proxy.upstream.endpoint_pool",
    "strangler.proxy.upstream.framing",
    "strangler.proxy.upstream.plain_response",
    "strangler.proxy.upstream.upstream_pool",
    "strangler.routing.conditions",
    "strangler.routing.decide",
    "strangler.routing.readings",
    "strangler.routing.request",
    "strangler.routing.split",
    "strangler.routing.trust",
)
"""The modules that a compiled wheel compiles: what runs for each request."""

_FOLDER: Final = Path(__file__).parent


def source_of(module: str) -> Path:
    """The source of one of the package's modules."""
    return _FOLDER.joinpath(*module.split(".")[1:]).with_suffix(".py")


def compiled_modules() -> tuple[str, ...]:
    """Those of `MODULES` that this installation has compiled: all of them, or none."""
    return tuple(module for module in MODULES if _has_extension(source_of(module)))


def how_it_runs() -> str:
    """Whether this installation runs compiled or interpreted, for people."""
    count = len(compiled_modules())
    return f"compiled ({count} modules)" if count else "interpreted"


def _has_extension(source: Path) -> bool:
    return any(source.with_suffix(suffix).is_file() for suffix in EXTENSION_SUFFIXES)
