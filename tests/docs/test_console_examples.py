"""Commands in the docs that need no running gateway print what the pages show."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strangler.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES: dict[str, list[str]] = {
    "behind-a-load-balancer.md": ["gateway.yaml"],
    "explain-and-test.md": [],
    "first-route.md": ["my-gateway.yaml"],
    "move-a-capability.md": [],
    "rewrite.md": ["gateway.yaml"],
    "tokens.md": ["tokens.yaml", "kinds.yaml"],
}
"""The pages, and the names of their complete configurations in order."""

_BLOCK = re.compile(r"^```(yaml|console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LOOP = re.compile(r"for n in ([\w ]+); do (.*); done")
_COMMAND = re.compile(
    r"(?P<before>.*; |(?P<name>[A-Z_]+)=(?P<value>\S+) )?strangler (?P<arguments>[^|;]*)(?P<after>\|.*)?"
)
_OFFLINE = ("explain ", "validate ", "test ", "plan ", "rollout simulate ")


def run(line: str, folder: Path) -> str | None:
    """What a line of a console prints; None if it needs a running gateway or is no command of ours."""
    if loop := _LOOP.fullmatch(line):
        outputs = [run(loop[2].replace("$n", value), folder) for value in loop[1].split()]
        return None if None in outputs else "".join(output for output in outputs if output is not None)
    if line.startswith(("sed -i", "stage ", "cp ")):
        subprocess.run(["bash", "-c", f". ./functions; {line}"], cwd=folder, check=True)
        return None
    command = _COMMAND.fullmatch(line)
    if command is None or not command["arguments"].startswith(_OFFLINE):
        return None
    environment = {command["name"]: command["value"]} if command["name"] else {}
    if command["before"] and not environment:
        subprocess.run(["bash", "-c", command["before"]], cwd=folder, check=True)
    result = CliRunner().invoke(app, shlex.split(command["arguments"]), prog_name="strangler", env=environment)
    output = result.output
    if command["after"]:
        rest = command["after"].removeprefix("|")
        output = subprocess.run(["bash", "-c", rest], cwd=folder, input=output, capture_output=True, text=True).stdout
    return output


def examples(page: str, folder: Path, names: Sequence[str] = ()) -> Iterator[tuple[str, str, str]]:
    """Each offline command of a page, run in the order of the page, with what the page shows and what it printed.

    `names` are those of its complete configurations, if not those in PAGES.
    """
    waiting = iter(names or PAGES.get(page, []))
    name = ""
    for kind, text in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        if kind == "yaml" and text.startswith("version: 1"):
            name = next(waiting, "unnamed.yaml")
            (folder / name).write_text(text)
        elif kind == "yaml" and page == "first-route.md":
            with (folder / name).open("a") as file:
                file.write(text)
        elif kind == "yaml" and page == "move-a-capability.md" and text.startswith("    always:"):
            file_text = (folder / "config" / "gateway.yaml").read_text()
            (folder / "config" / "gateway.yaml").write_text(
                file_text.replace("    override:", f"{text}    override:", 1)
            )
        elif kind == "sh":
            (folder / "functions").write_text(text.replace("sleep 1; ", ""))
        elif kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                printed = run(line, folder)
                if printed is not None:
                    yield line, shown, printed


def matches(shown: str, printed: str) -> bool:
    """Whether a page's output is that of the command; … stands for anything, digests and places in `config/` vary."""
    pattern = re.escape(shown.strip("\n")).replace("…", ".*")
    pattern = re.sub(r"version\\ [0-9a-f]{12}", "version\\ [0-9a-f]{12}", pattern)
    pattern = re.sub(r"(config/\w+)\\.yaml:\d+:\d+", r"\1\\.yaml:\\d+:\\d+", pattern)
    return re.fullmatch(re.sub(r"(\\ )+\.\*", ".*", pattern), printed.strip("\n"), re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES)
def test_offline_commands_print_what_the_page_shows(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("STRANGLER_") or name == "BATCH_SECRET"]:
        monkeypatch.delenv(name)
    compared = 0
    for line, shown, printed in examples(page, tmp_path):
        compared += 1
        assert matches(shown, printed), f"$ {line}\n{printed}\n--- the page shows\n{shown}"
    assert compared
