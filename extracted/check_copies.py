"""Check that code copied between the services has not drifted apart; `make lint` runs this.

Each service is deployable alone, so users and catalog each have a copy of the same settings, logging, database and
response code. A fix to one copy belongs in the other. This compares both, with the service's own name, port and lock
number taken as equal:

- the files in `WHOLE`, as whole texts;
- the modules in `PARTS`, by definition: a function, class member or constant that both copies define under one name
  must be the same, unless it is listed beside the module as each service's own.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
from pathlib import Path

SERVICES = ("users", "catalog")
WHOLE = (
    ".dockerignore",
    "Dockerfile",
    "{package}/__main__.py",
    "{package}/database.py",
    "{package}/migrate.py",
    "{package}/migrations/env.py",
    "{package}/migrations/script.py.mako",
    "{package}/request_log.py",
    "{package}/resource.py",
    "tests/sides.py",
)
PARTS: dict[str, set[str]] = {
    "{package}/answer.py": {"Answer.__call__"},  # catalog also sends 304
    "{package}/api.py": {"HealthApi.__init__", "HealthApi.ready"},  # users is not ready without keys
    "{package}/app.py": {"build_app"},  # users keeps its keys fresh
    "{package}/bug.py": {"shown"},
    "{package}/cli.py": {"main", "run_fill"},  # users has --overwrite
    "{package}/fill.py": {"fill", "_upsert"},
    "{package}/schema.py": set(),
    "{package}/settings.py": {"read_settings"},  # users reads where its keys are
    "tests/both_sides.py": {"both_sides"},
    "tests/conftest.py": {"settings"},
    "tests/test_service.py": {
        "environment",
        "test_all_wrong_settings_are_named",
        "test_what_can_not_be_done_is_said_in_a_line",
        "test_a_request_is_a_line_with_its_context",
    },
}
# Names, ports and lock numbers that each service has of its own.
EQUAL = (("users", "catalog"), ("USERS", "CATALOG"), ("Users", "Catalog"), ("8201", "8202"), ("7201", "7202"))


def common_form(text: str) -> str:
    """The text with what is a service's own replaced by the same words for both."""
    for number, words in enumerate(EQUAL):
        text = re.sub("|".join(words), f"<{number}>", text)
    return text


def definitions(source: str) -> dict[str, str]:
    """The source of each function, class member and constant of a module, by its name."""
    found: dict[str, str] = {}

    def collect(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                start = min(line.lineno for line in (node, *node.decorator_list))
                found[prefix + node.name] = "\n".join(source.splitlines()[start - 1 : node.end_lineno])
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                found[prefix + ast.unparse(target)] = ast.get_source_segment(source, node) or ""

    collect(ast.parse(source).body, "")
    return found


def difference(left: str, right: str, files: list[Path]) -> str:
    """The lines in which two texts differ; empty where they are the same."""
    texts = [common_form(text).splitlines() for text in (left, right)]
    return "\n".join(difflib.unified_diff(*texts, *map(str, files), n=0, lineterm=""))


def check_module(files: list[Path], own: set[str]) -> list[str]:
    """How the definitions differ that both files have, other than those in `own`."""
    left, right = (definitions(file.read_text()) for file in files)
    problems: list[str] = []
    for name in [name for name in left if name in right]:
        lines = difference(left[name], right[name], files)
        if lines and name not in own:
            problems.append(f"{name} differs between the copies:\n{lines}")
        elif not lines and name in own:
            problems.append(f"{name} in {files[0]} is listed as each service's own, but is the same in both")
    absent = own - (left.keys() & right.keys())
    return problems + [f"{name} is listed for {files[0]}, but not both services define it" for name in sorted(absent)]


def check(root: Path) -> list[str]:
    """What has drifted apart in the services' folders under `root`."""
    problems: list[str] = []
    for name in (*WHOLE, *PARTS):
        files = [root / service / name.format(package=f"{service}_service") for service in SERVICES]
        missing = [file for file in files if not file.is_file()]
        if missing:
            problems += [f"{file} does not exist; correct the lists in check_copies.py" for file in missing]
        elif name in PARTS:
            problems += check_module(files, PARTS[name])
        elif lines := difference(*(file.read_text() for file in files), files):
            problems.append(f"the copies of a file differ:\n{lines}")
    return problems


def main(root: Path = Path(__file__).parent) -> int:
    if not all((root / service).is_dir() for service in SERVICES):
        return 0  # a checkout may lack a service
    problems = check(root)
    for problem in problems:
        print(problem, end="\n\n")
    if problems:
        print("Make the same change in both services; what each must have of its own is listed in check_copies.py.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
