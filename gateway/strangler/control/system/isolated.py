"""How the gateway starts processes of its own: so that nothing in the current directory can take the place of a module.

`python -m` puts the current directory first on the path, where a project's
folder `gateway` or its `types.py` would be imported instead.
"""

from __future__ import annotations

import sys


def python_module(name: str) -> tuple[str, ...]:
    """The beginning of a command that runs the module `name` without the current directory on its path."""
    return (sys.executable, "-P", "-m", name)
