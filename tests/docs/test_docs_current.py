"""The documentation against the checkout: links lead somewhere, and configurations that stand in it are valid."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from strangler.config.load import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECRET = "0123456789abcdef0123456789abcdef"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_YAML = re.compile(r"^```yaml\n(version: 1\n.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    headings = _HEADING.findall(page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def configurations() -> list[tuple[str, str]]:
    """Every whole configuration in a page, with where it stands."""
    return [
        (f"{name(page)}, {number}", text)
        for page in PAGES
        for number, text in enumerate(_YAML.findall(page.read_text()), 1)
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize(("place", "text"), configurations(), ids=[place for place, _ in configurations()])
def test_every_configuration_is_valid(place: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_SECRET", SECRET)
    shutil.copytree(ROOT / "config" / "dev", tmp_path / "config" / "dev")
    (tmp_path / "gateway.yaml").write_text(text)
    load(tmp_path / "gateway.yaml")


def test_there_are_configurations_to_look_at() -> None:
    assert len(configurations()) >= 3


def test_every_page_is_in_the_index() -> None:
    docs = ROOT / "docs"
    listed = set(_LINK.findall((docs / "README.md").read_text()))
    assert {page.name for page in docs.glob("*.md")} - {"README.md"} <= listed


def test_every_decision_is_listed() -> None:
    decisions = ROOT / "docs" / "decisions"
    listed = set(_LINK.findall((decisions / "README.md").read_text()))
    assert {link for link in listed if link.startswith("0")} == {page.name for page in decisions.glob("0*.md")}
