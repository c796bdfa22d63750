"""The running configuration: an invalid one never takes the place of a valid one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from strangler.config.load import ConfigurationError, Loaded
from strangler.control.configuration import RunningConfiguration
from strangler.control.messages import Apply
from strangler.pickle_stream import complete_messages

VALID = {"version": 1, "upstreams": {"shop": {"endpoints": "http://127.0.0.1:1"}}, "default": "shop"}
CHANGED = {**VALID, "upstreams": {"shop": {"endpoints": "http://127.0.0.1:2"}}}


class Stage:
    """A configuration file, and what took its place while it ran."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "gateway.yaml"
        self.changes: list[tuple[Loaded, bytes]] = []
        self.write(VALID)

    def write(self, configuration: object) -> None:
        self.file.write_text(json.dumps(configuration))

    def started(self) -> RunningConfiguration:
        return RunningConfiguration(self.file, lambda *change: self.changes.append(change))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_an_invalid_configuration_is_an_error_at_the_start(stage: Stage) -> None:
    stage.write({"version": 1})
    with pytest.raises(ConfigurationError):
        stage.started()


def test_a_reload_serves_by_the_changed_file(stage: Stage) -> None:
    async def main() -> None:
        running = stage.started()
        before = running.snapshot
        stage.write(CHANGED)
        await running.reload("test")
        assert running.snapshot.version != before.version
        ((loaded, message),) = stage.changes
        assert loaded.snapshot is running.snapshot
        ((apply),) = complete_messages(bytearray(), message)
        assert isinstance(apply, Apply)
        assert apply.snapshot.version == running.snapshot.version

    asyncio.run(main())


def test_a_reload_of_an_unchanged_file_changes_nothing(stage: Stage) -> None:
    async def main() -> None:
        running = stage.started()
        before = running.snapshot
        await running.reload("test")
        assert running.snapshot is before
        assert stage.changes == []

    asyncio.run(main())


@pytest.mark.parametrize("invalid", [{"version": 1, "default": "nothing"}, ["no", "mapping"]])
def test_an_invalid_reload_keeps_the_running_configuration(stage: Stage, invalid: Any) -> None:
    async def main() -> None:
        running = stage.started()
        before = running.snapshot
        stage.write(invalid)
        await running.reload("test")
        assert running.snapshot is before
        assert running.problems
        assert running.as_json()["valid"] is False
        stage.write(VALID)
        await running.reload("test")
        assert running.problems == []
        assert stage.changes == []

    asyncio.run(main())


def test_a_watched_change_is_named_and_reloaded(stage: Stage) -> None:
    named: list[Collection[str]] = []

    async def note(files: Collection[str]) -> None:
        named.append(files)

    async def main() -> None:
        running = stage.started()
        watching = asyncio.create_task(running.watch(note))
        stage.write(CHANGED)
        async with asyncio.timeout(30):
            while not stage.changes:
                await asyncio.sleep(0.02)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(main())
    assert named == [{str(stage.file)}]
