"""What the tests of the configuration share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import ConfigurationError, load

Write = Callable[..., Path]
Problems = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file beside an (empty) key set `dev/jwks.json`."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/jwks.json").write_text(json.dumps({"keys": []}))

    def write(text: str, name: str = "gateway.yaml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """What is wrong with a file or folder, the names of files without that of the test's folder."""

    def problems(path: Path, environment: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(path, environment or {})
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return problems
