"""`strangler test`: the routing tests of a configuration, against the proxy's own `decide`."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from strangler.auth.certificate import certificate_from
from strangler.cli.validate import print_problems
from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.routing.rehearse import Hypothetical, differences, rehearse


def run_tests(config: Path, as_json: bool) -> int:
    """0 if all pass; 1 if one fails, the configuration is invalid, or it has no tests."""
    try:
        loaded = load(config)
    except ConfigurationError as error:
        print_problems(error)
        return 1
    results = []
    for test in loaded.tests:
        certificate = None if test.certificate is None else certificate_from(test.certificate)
        asked = Hypothetical(test.method, test.target, test.headers, test.claims, certificate=certificate)
        rehearsal = rehearse(loaded.snapshot, asked)
        results.append((test, differences(test.expect, rehearsal.decision)))
    failed = sum(bool(sentences) for _, sentences in results)
    if as_json:
        rows = [
            {"test": str(test), "source": str(test.source), "differences": sentences} for test, sentences in results
        ]
        print(orjson.dumps({"passed": len(results) - failed, "failed": failed, "tests": rows}).decode())
    else:
        for test, sentences in results:
            for sentence in sentences:
                print(f"{test.source}: {test}: {sentence}")
        print(f"{len(results) - failed} passed, {failed} failed")
    if not results:
        print(f"strangler: {config} has no section 'tests'", file=sys.stderr)
        return 1
    return 1 if failed else 0
