"""What all tests share: keys that are made once, patience with a busy machine, and no silent skips in CI."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import settings

from tests.auth.issuing import Issuer, SigningKey

# Properties hold however long a busy machine takes to try one example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


LACKING = "CI_LACKS"
"""Set in CI: what its machine lacks, one a line, as the reasons of skipped tests name it."""


def unexplained(reasons: Iterable[str], lacking: str) -> list[str]:
    """Those `reasons` of skipped tests that name nothing of what is `lacking`."""
    known = [line for line in lacking.splitlines() if line]
    return sorted({reason for reason in reasons if not any(line in reason for line in known)})


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI, fail if a test was skipped for a reason that its machine does not explain."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or LACKING not in os.environ or exitstatus != pytest.ExitCode.OK:
        return
    # The reason is the last part of where a test was skipped, and why.
    reasons = [report.longrepr[2] for report in terminal.stats.get("skipped", [])]
    wrong = unexplained(reasons, os.environ[LACKING])
    if wrong:
        terminal.write_line("")
        for reason in wrong:
            terminal.write_line(f"skipped in CI, which lacks nothing that explains it: {reason}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """An issuer with a key of every kind."""
    keys = [
        SigningKey("rsa-1", "RS256", rsa.generate_private_key(65537, 2048)),
        SigningKey("es-256", "ES256", ec.generate_private_key(ec.SECP256R1())),
        SigningKey("es-384", "ES384", ec.generate_private_key(ec.SECP384R1())),
        SigningKey("ed-1", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ]
    return Issuer(dict(zip(("rsa", "es256", "es384", "ed"), keys, strict=True)))
