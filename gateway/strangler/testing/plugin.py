"""The pytest plugin: fixtures for a running gateway, and recorded requests as parametrised tests.

It is loaded in every suite of an environment that has the gateway installed,
so it imports nothing but pytest until a test uses something of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from strangler.comparison.rules import Rules
    from strangler.testing.asker import Asker
    from strangler.testing.running_gateway import RunningGateway

_REQUEST = "recorded_request"
_MOST_ID = 90


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "recorded(file, methods=..., config=..., migration=...): run the test once for each request of a recording "
        "(.har, .txt, .urls, or OpenAPI 3 as .yaml or .json), which it gets as the argument recorded_request. Paths "
        "are relative to the test's file.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each recorded request."""
    if _REQUEST not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("recorded")
    if marker is None:
        pytest.fail(
            f"{metafunc.definition.nodeid}: {_REQUEST} needs the marker @pytest.mark.recorded(file)", pytrace=False
        )
    from strangler.config.text.problems import ConfigurationError
    from strangler.replay.recorded import RecordingError
    from strangler.testing.recordings import read_requests

    folder = metafunc.definition.path.parent
    options = dict(marker.kwargs)
    if options.get("config") is not None:
        options["config"] = folder / options["config"]
    try:
        requests = read_requests(folder / Path(*marker.args), **options)
    except (RecordingError, ConfigurationError, TypeError) as error:
        pytest.fail(f"{metafunc.definition.nodeid}: {error}", pytrace=False)
    ids = [str(request) for request in requests]
    metafunc.parametrize(_REQUEST, requests, ids=[text if len(text) <= _MOST_ID else text[:_MOST_ID] for text in ids])


StartGateway = Callable[..., "RunningGateway"]


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Starts gateways that serve until the test is over: `start_gateway(config, workers=1, environment=None)`.

    `config` is the path of a configuration, or a dict of what would stand in
    one; files that a dict names are looked for in `tmp_path`.
    """
    from strangler.testing.running_gateway import RunningGateway

    numbers = count(1)
    with ExitStack() as running:

        def start(
            config: str | Path | Mapping[str, Any], workers: int = 1, environment: Mapping[str, str] | None = None
        ) -> RunningGateway:
            name = f"started-gateway-{next(numbers)}"
            gateway = RunningGateway(config, workers=workers, folder=tmp_path, name=name, environment=environment)
            return running.enter_context(gateway)

        yield start


@pytest.fixture(scope="session")
def compare_rules() -> Rules:
    """The rules of comparison: those of a gateway without configuration. Override it to use a migration's."""
    from strangler.config.compile.compare import DEFAULT_RULES

    return DEFAULT_RULES


@pytest.fixture(scope="session")
def ask() -> Iterator[Asker]:
    """Asks a server: `ask(url, recorded_request)` or `ask(url, "/path")` gives a Response."""
    from strangler.testing.asker import Asker

    asker = Asker()
    yield asker
    asker.close()
