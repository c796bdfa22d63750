"""What is printed for a person, by rich."""

from __future__ import annotations

import io
import sys

from rich.console import Console

_AS_WIDE_AS_IT_IS = 1_000


def output() -> Console:
    """Standard output: tables fit the terminal, and are as wide as they are in a file or a pipe.

    What its encoding lacks, such as a lone surrogate in UTF-8, is escaped.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _AS_WIDE_AS_IT_IS)
