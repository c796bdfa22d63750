"""The maps of the code name what exists: docs/architecture.md, CONTRIBUTING.md and each package's `__init__`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "gateway" / "strangler"
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]
PACKAGES = sorted(path.parent for path in PRODUCT.rglob("__init__.py"))

_TICKED = re.compile(r"`([^`\n]+)`")
_DOTTED = re.compile(r"(?<![\w/.@-])[a-z_]+(?:\.[a-z_]+)+(?![\w/(-])")
_PATH = re.compile(r"(?<![\w/.:-])[\w.*-]+(?:/[\w.*{}-]+)+/?")
_MAKE = re.compile(r"make ([a-z-]+)")
_FENCED = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


@cache
def defined(module: Path) -> frozenset[str]:
    """The names that a module defines at its top level."""
    names = set()
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return frozenset(names)


def exists(name: str, package: Path) -> bool:
    """Whether a dotted name is a package, a module, or a definition in one, as seen from `package`."""
    folder = package
    parts = name.split(".")
    for number, part in enumerate(parts):
        if (folder / part / "__init__.py").is_file():
            folder /= part
        elif (folder / f"{part}.py").is_file():
            rest = parts[number + 1 :]
            return not rest or (len(rest) == 1 and rest[0] in defined(folder / f"{part}.py"))
        else:
            return False
    return True


def is_file(path: str) -> bool:
    """Whether a path is one of the checkout, or of the product's package; `*` and a record's number are enough."""
    return any(next(base.glob(path.rstrip("/") + end), None) for base in (ROOT, PRODUCT) for end in ("", "-*.md"))


def modules_named(page: Path) -> Iterator[str]:
    """The dotted names in pictures and in backticks whose first part is one of the product's packages."""
    text = page.read_text()
    for part in [*_FENCED.findall(text), *_TICKED.findall(text)]:
        for name in _DOTTED.findall(part):
            if (PRODUCT / name.partition(".")[0]).is_dir() and not name.endswith(".py"):
                yield name


def test_modules_in_the_architecture_exist() -> None:
    names = set(modules_named(ROOT / "docs" / "architecture.md"))
    assert len(names) > 40
    assert [name for name in sorted(names) if not exists(name, PRODUCT)] == []


def test_every_package_of_the_product_stands_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.name for path in PRODUCT.iterdir() if (path / "__init__.py").is_file()}
    assert [name for name in sorted(packages) if not re.search(rf"\b{name}\b", text)] == []


def test_every_package_of_the_product_stands_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    packages = {path.name for path in PRODUCT.iterdir() if (path / "__init__.py").is_file()}
    assert [name for name in sorted(packages) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_for_contributors_exist(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text())
    paths = {path for path in _PATH.findall(text) if path.endswith((".py", ".md", ".toml", ".json", "/"))}
    assert [path for path in sorted(paths) if "NNNN" not in path and not is_file(path)] == []


def test_modules_and_tests_named_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path, test in re.findall(r"(tests/[\w/]+\.py)::(\w+)", text):
        assert test in defined(ROOT / path)
    for module in re.findall(r"-m ((?:strangler|benchmarks)[\w.]+)", text):
        base = ROOT / "gateway" if module.startswith("strangler") else ROOT
        assert (base / (module.replace(".", "/") + ".py")).is_file(), module


def test_make_targets_named_for_contributors_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"`make ([a-z-]+)`|^    make ([a-z-]+)", page.read_text(), re.M)
        for target in target
        if target
    }
    assert named
    assert named <= targets


def test_the_layers_in_the_architecture_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    sentence = re.search(r"Imports point down: (.*?)\. `make lint`", (ROOT / "docs/architecture.md").read_text(), re.S)
    assert sentence is not None
    written = [set(_TICKED.findall(layer)) for layer in sentence[1].split("→")]
    packages = [
        set(re.findall(r"strangler\.(\w+)", layer)) & {path.name for path in PRODUCT.iterdir()} for layer in layers
    ]
    assert written == packages


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(PRODUCT.parent)))
def test_the_map_of_a_package_names_what_exists(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert text, "a package's __init__ says what lives there"
    assert len(text.splitlines()) <= 10
    missing = []
    for name in _TICKED.findall(text):
        if "/" in name:
            missing += [] if is_file(name) else [name]
        elif re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", name):
            places = [package, *(parent for parent in package.parents if PRODUCT.parent in (parent, *parent.parents))]
            missing += [] if any(exists(name, place) for place in places) else [name]
    missing += [path for path in re.findall(r"docs/[\w/.-]*\w", text) if not is_file(path)]
    assert missing == []
