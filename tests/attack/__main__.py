"""`python -m tests.attack [--count N] [--seed S]`: try to reach protected handlers without a token.

Packages of Node are installed in a temporary folder; where that is not
possible, the servers that need them are left out and named. Ends with 1 if
anything protected was reached.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.attack.spellings import attempts
from tests.attack.stage import NODE_PACKAGES, NODE_SERVERS, PYTHON_SERVERS, attack, gateway, servers
from tests.e2e.tokens import Issuer


def _node_servers(folder: Path) -> tuple[str, ...]:
    """The servers of Node that can be started, with their packages installed in `folder`."""
    if shutil.which("node") is None:
        print("node is not installed: its servers are left out")
        return ()
    packages = [*NODE_PACKAGES.values()]
    npm = shutil.which("npm")
    install = [str(npm), "install", "--no-audit", "--no-fund", "--silent", *packages]
    if npm is None or subprocess.run(install, cwd=folder, check=False, timeout=300).returncode:
        print(f"{', '.join(packages)} can't be installed: these servers are left out")
        return NODE_SERVERS
    return (*NODE_SERVERS, *NODE_PACKAGES)


def main() -> int:
    """Attack all servers; the exit code."""
    parser = argparse.ArgumentParser(prog="tests.attack", description="Try to reach protected handlers.")
    parser.add_argument("--count", type=int, default=4000, help="random requests of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    breached = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = (*PYTHON_SERVERS, *_node_servers(folder))
        with servers(kinds, folder, folder / "node_modules") as ports, gateway(folder, ports, Issuer()) as running:
            for kind in kinds:
                outcome = attack(running.port, kind, attempts(arguments.seed, arguments.count))
                breached = breached or bool(outcome.breaches)
                statuses = ", ".join(f"{status}: {count}" for status, count in sorted(outcome.statuses.items()))
                print(
                    f"{kind:16} {outcome.statuses.total()} requests ({statuses}), {len(outcome.breaches)} got through"
                )
                for handler, attempt in outcome.breaches[:20]:
                    print(f"  {handler}: {attempt.target!r} {list(attempt.fields)}")
    return int(breached)


if __name__ == "__main__":
    sys.exit(main())
