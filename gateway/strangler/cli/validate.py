"""`strangler validate`: every problem of a configuration, with its place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from strangler.auth.keys import KeySetError, parse_key_set, why_unusable
from strangler.cli.expected_callers import too_few_callers
from strangler.config.load import Loaded, load
from strangler.config.text.problems import ConfigurationError, Problem, in_order


def print_problems(error: ConfigurationError) -> None:
    """Print all problems, a line each, to standard error."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    count = len(error.problems)
    print(f"{count} problem{'s' if count > 1 else ''}", file=sys.stderr)


def validate_configuration(config: Path, as_json: bool) -> int:
    """0 if nothing is wrong; warnings do not count."""
    try:
        loaded = load(config)
    except ConfigurationError as error:
        if as_json:
            _print_json({"valid": False, "problems": [_as_json(problem) for problem in error.problems]})
        else:
            print_problems(error)
        return 1
    warnings = in_order([*loaded.warnings, *_unusable_key_sets(loaded), *too_few_callers(loaded)])
    if as_json:
        _print_json(
            {
                "valid": True,
                "version": loaded.snapshot.version,
                "warnings": [_as_json(warning) for warning in warnings],
            }
        )
        return 0
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    snapshot = loaded.snapshot
    counts = (
        _count(len(snapshot.routes), "route"),
        _count(len(snapshot.migrations), "migration"),
        _count(len(snapshot.upstreams), "upstream"),
        _count(len(loaded.tests), "test"),
    )
    print(f"{config} is valid: {', '.join(counts)} (version {snapshot.version})")
    return 0


def _unusable_key_sets(loaded: Loaded) -> Iterator[Problem]:
    """Key set files that verify no token at all; sets behind URLs are fetched, and looked at, by a running gateway."""
    for name, provider in loaded.snapshot.providers.items():
        if provider.jwks_file is None or provider.source is None:
            continue
        try:
            reason = why_unusable(parse_key_set(Path(provider.jwks_file).read_bytes()), provider.algorithms)
        except (KeySetError, OSError) as error:
            reason = str(error)
        if reason is not None:
            said = f"auth.providers.{name}: no token can be verified: {provider.jwks_file}: {reason}"
            yield Problem(provider.source, said)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _print_json(value: Any) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.source.file,
        "line": problem.source.line,
        "column": problem.source.column,
        "message": problem.message,
        "hint": problem.hint,
    }
