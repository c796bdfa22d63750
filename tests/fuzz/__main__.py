"""Fuzzes the data plane for a given time.

    python -m tests.fuzz [--seconds 900] [--seed 1]

With atheris the fuzzing is guided by which lines of the gateway an input
reaches; without it inputs are changed at random. What breaks something is
written to `tests/fuzz/found/`, where the tests play it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

FOUND = Path(__file__).parent / "found"
LARGEST_INPUT = 12_288


def main() -> None:
    """Fuzz until the time is over or something is found."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz")
    arguments.add_argument("--seconds", type=int, default=900)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            import atheris  # type: ignore[import-not-found]
        except ImportError:
            _at_random(Path(folder), given.seconds, given.seed)
        else:
            _guided(atheris, Path(folder), given.seconds, given.seed)


def _guided(atheris: object, folder: Path, seconds: int, seed: int) -> None:
    included = ["strangler.proxy", "strangler.routing", "strangler.model.path_patterns", "strangler.auth"]
    with atheris.instrument_imports(include=included):  # type: ignore[attr-defined]
        import strangler.proxy.plane  # noqa: F401
    from tests.fuzz.configuration import fuzzed_snapshot
    from tests.fuzz.mutation import mutated
    from tests.fuzz.play import Player
    from tests.fuzz.seeds import seeds

    inputs = seeds()
    corpus = folder / "corpus"
    corpus.mkdir()
    for data in inputs:
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    configuration = folder / "configuration"
    configuration.mkdir()
    player = Player(fuzzed_snapshot(configuration))
    FOUND.mkdir(exist_ok=True)

    def changed(data: bytes, largest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.2:
            return atheris.Mutate(data, largest)  # type: ignore[attr-defined, no-any-return]
        return mutated(data, inputs, random)[:largest]

    options = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={LARGEST_INPUT}",
        f"-artifact_prefix={FOUND}{os.sep}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        str(corpus),
    ]
    atheris.Setup(options, player.play, custom_mutator=changed)  # type: ignore[attr-defined]
    atheris.Fuzz()  # type: ignore[attr-defined]


def _at_random(folder: Path, seconds: int, seed: int) -> None:
    from tests.fuzz.configuration import fuzzed_snapshot
    from tests.fuzz.mutation import mutated
    from tests.fuzz.play import Player
    from tests.fuzz.seeds import seeds

    print("atheris is not installed: inputs are changed at random", flush=True)
    inputs = seeds()
    random = Random(seed)
    player = Player(fuzzed_snapshot(folder))
    executions = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(random.choice(inputs), inputs, random)
        try:
            player.play(data)
        except BaseException:
            FOUND.mkdir(exist_ok=True)
            (FOUND / f"crash-{hashlib.sha1(data).hexdigest()}").write_bytes(data)
            print(f"found after {executions} executions: {data!r}", flush=True)
            raise
        executions += 1
    print(f"{executions} executions in {seconds} s, nothing found", flush=True)


if __name__ == "__main__":
    main()
