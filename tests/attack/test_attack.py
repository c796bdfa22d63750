"""Nothing protected is reached without a token: a short pass of `make attack`, on the servers of Python."""

from __future__ import annotations

from pathlib import Path

from tests.attack.spellings import attempts
from tests.attack.stage import PYTHON_SERVERS, attack, gateway, servers
from tests.e2e.tokens import Issuer


def test_no_spelling_or_header_reaches_a_protected_handler(tmp_path: Path) -> None:
    with servers(PYTHON_SERVERS, tmp_path) as ports, gateway(tmp_path, ports, Issuer()) as running:
        for kind in PYTHON_SERVERS:
            outcome = attack(running.port, kind, attempts(7, 150))
            assert not outcome.breaches, kind
            assert outcome.reached["open"] > 100, kind
            assert outcome.statuses[400] > 10, kind
            assert outcome.statuses[401] > 0, kind
