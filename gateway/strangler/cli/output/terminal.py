"""Terminal output, by rich."""

from __future__ import annotations

import io
import sys

from rich.console import Console

_AS_WIDE_AS_IT_IS = 1_000


def output() -> Console:
    """Return standard output: tables fit the terminal; in a file or a pipe they have their full width.

    Characters that its encoding lacks, such as a lone surrogate in UTF-8, are escaped.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _AS_WIDE_AS_IT_IS)
