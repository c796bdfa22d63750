"""Check that code copied between the services has not drifted apart; `make lint` runs this.

Each service is deployable alone, so each has a copy of the same settings, logging, database and response code. A fix to
one copy belongs in the others. This compares them, with a service's own name, port and lock number taken as equal:

- the files in `WHOLE`, as whole texts, in every service;
- the files in `WHERE_NEEDED`, as whole texts, in the services that have them;
- the modules in `PARTS`, by definition: a function, class member or constant that several copies define under one name
  must be the same, unless it is listed beside the module as each service's own.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

SERVICES = ("users", "catalog", "inventory", "payments", "orders", "order_history")
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
WHERE_NEEDED = (
    "{package}/body.py",
    "{package}/callers.py",
    "{package}/key_set.py",
    "{package}/keys.py",
    "{package}/query.py",
    "{package}/tokens.py",
    "tests/test_openapi.py",
)
PARTS: dict[str, set[str]] = {
    # catalog also sends 304
    "{package}/answer.py": {"Answer.__call__", "no_keys"},
    "{package}/api.py": {"HealthApi.__init__", "HealthApi.ready"},  # who verifies tokens is not ready without keys
    "{package}/app.py": {"build_app"},
    "{package}/bug.py": {"BUGS", "asked", "shown"},
    "{package}/cli.py": {"main", "run_fill"},  # users has --overwrite
    "{package}/fill.py": {"_batches", "_upsert", "fill"},
    "{package}/schema.py": set(),
    "{package}/settings.py": {"REQUIRED", "read_settings"},
    "tests/both_sides.py": {"both_sides"},
    "tests/conftest.py": {"bearer", "client", "engine", "Issuer.token", "settings", "variables"},
    "tests/test_service.py": {
        "environment",
        "served",
        "test_a_request_is_a_line_with_its_context",
        "test_all_wrong_settings_are_named",
        "test_it_is_ready_once_it_has_a_schema_and_keys",
        "test_what_can_not_be_done_is_said_in_a_line",
    },
}
# Names, ports and lock numbers that each service has of its own.
PORTS = {
    "users": "8201",
    "catalog": "8202",
    "inventory": "8204",
    "payments": "8205",
    "orders": "8206",
    "order_history": "8207",
}
EQUAL = (
    SERVICES,
    [service.upper() for service in SERVICES],
    [service.capitalize() for service in SERVICES],
    PORTS.values(),
    ["7" + port[1:] for port in PORTS.values()],
)


def common_form(text: str) -> str:
    """The text with what is a service's own replaced by the same words for all."""
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


def difference(left: str, right: str, files: Sequence[Path]) -> str:
    """The lines in which two texts differ; empty where they are the same."""
    texts = [common_form(text).splitlines() for text in (left, right)]
    return "\n".join(difflib.unified_diff(*texts, *map(str, files), n=0, lineterm=""))


def check_module(files: list[Path], own: set[str]) -> list[str]:
    """How the definitions differ that several of the files have, other than those in `own`."""
    problems: list[str] = []
    copies: dict[str, list[tuple[Path, str]]] = {}
    for file in files:
        for name, source in definitions(file.read_text()).items():
            copies.setdefault(name, []).append((file, source))
    for name, found in copies.items():
        (first, source), *others = found
        drifted = [lines for file, other in others if (lines := difference(source, other, [first, file]))]
        if name not in own:
            problems += [f"{name} differs between the copies:\n{lines}" for lines in drifted]
        elif others and not drifted:
            problems.append(f"{name} in {first} is listed as each service's own, but is the same in all")
    absent = own - {name for name, found in copies.items() if len(found) > 1}
    return problems + [f"{name} is listed for {files[0]}, but no two services define it" for name in sorted(absent)]


def check_whole(files: list[Path]) -> list[str]:
    first, *others = files
    texts = {file: file.read_text() for file in files}
    drifted = [lines for file in others if (lines := difference(texts[first], texts[file], [first, file]))]
    return [f"the copies of a file differ:\n{lines}" for lines in drifted]


def check(root: Path) -> list[str]:
    """What has drifted apart in the services' folders under `root`."""
    problems: list[str] = []
    for name in (*WHOLE, *WHERE_NEEDED, *PARTS):
        files = [root / service / name.format(package=f"{service}_service") for service in SERVICES]
        present = [file for file in files if file.is_file()]
        missing = [file for file in files if file not in present] if name in WHOLE or not present else []
        problems += [f"{file} does not exist; correct the lists in check_copies.py" for file in missing]
        if missing:
            continue
        problems += check_module(present, PARTS[name]) if name in PARTS else check_whole(present)
    return problems


def main(root: Path = Path(__file__).parent) -> int:
    if not all((root / service).is_dir() for service in SERVICES):
        return 0  # a checkout may lack a service
    problems = check(root)
    for problem in problems:
        print(problem, end="\n\n")
    if problems:
        print(
            "Make the same change in the other services; what each must have of its own is listed in check_copies.py."
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
