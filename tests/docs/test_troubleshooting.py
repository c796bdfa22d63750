"""docs/troubleshooting.md lists the texts of the gateway's own responses as the code has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "gateway" / "strangler"
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SECTION = PAGE.partition("## The gateway's responses")[2].partition("\n## ")[0]

_ROW = re.compile(r"^\| ((?:\d{3}:? )?[A-Z][^|`]+?) \|", re.MULTILINE)
_VARIABLE = re.compile(r"…|\d+|: ")
_REFUSING = re.compile(r"Refus|Failure|fail|give_up|refuse|upstream_failed|connect_failed")


def texts(node: ast.AST) -> Iterator[str]:
    """The strings below a node, with … for each value that is put into one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def strings() -> str:
    """Every string of the product, a line each."""
    return "\n".join(text for file in PRODUCT.rglob("*.py") for text in texts(ast.parse(file.read_text())))


STRINGS = strings()
WHOLE = [
    re.compile(re.escape(re.sub(r"^\d{3}:? ", "", text)).replace("…", ".+") + r"\.?")
    for row in _ROW.findall(SECTION)
    for text in row.split(" / ")
]


def details() -> set[str]:
    """The sentences that the data plane passes on as the detail of a refusal."""
    found = set()
    for package in ("auth", "routing", "proxy"):
        for file in (PRODUCT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and _REFUSING.search(ast.unparse(node.func)):
                    found |= {text for argument in node.args for text in texts(argument)}
    return {text for text in found if re.match(r"[A-Z].* .*\.$", text)}


@pytest.mark.parametrize("row", _ROW.findall(SECTION))
def test_detail_in_the_page_is_one_of_the_code(row: str) -> None:
    for text in re.sub(r"^\d{3}:? ", "", row).split(" / "):
        for piece in _VARIABLE.split(text):
            assert piece.strip(" .") in STRINGS


@pytest.mark.parametrize("detail", sorted(details()))
def test_detail_in_the_code_is_in_the_page(detail: str) -> None:
    if any(whole.fullmatch(detail) for whole in WHOLE):
        return
    # Rows that list several texts leave out the words they begin with.
    pieces = [piece.strip(" .") for piece in _VARIABLE.split(detail)]
    endings = [pieces[-1] or pieces[0], *(" ".join(pieces[0].split()[number:]) for number in range(4))]
    assert any(len(ending.split()) > 1 and ending in SECTION for ending in endings), detail
