"""`${NAME}` in the text of a configuration.

`${NAME}` is the environment variable NAME, which must be set; `${NAME:-text}`
is `text` where NAME is not set or empty; `$${` is a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_WHOLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Substituted(str):
    """Text that came from the environment, in whole or in part; `written` is what is in the YAML.

    Fields that are not text (numbers, booleans) read such text as their own
    kind, and a secret must be nothing but such text.
    """

    __slots__ = ("written",)

    written: str

    def __new__(cls, text: str, written: str) -> Substituted:
        self = super().__new__(cls, text)
        self.written = written
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Text like any other once it is sent to a worker."""
        return str, (str(self),)

    @property
    def whole(self) -> bool:
        """Whether nothing of it stands in the YAML: one `${NAME}` without a default."""
        return _WHOLE.fullmatch(self.written) is not None


def substitute(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """`text` with its references replaced, and the names that are not set."""
    missing: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if name is None:
            return "${"
        value = environment.get(name)
        if default is not None:
            return value or default
        if value is None:
            missing.append(name)
            return match.group(0)
        return value

    return _REFERENCE.sub(replace, text), missing
