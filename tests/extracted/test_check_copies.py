"""`make lint` reports when code that is copied between the services drifts apart."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

EXTRACTED = Path(__file__).parents[2] / "extracted"

_spec = importlib.util.spec_from_file_location("check_copies", EXTRACTED / "check_copies.py")
assert _spec is not None
assert _spec.loader is not None
check_copies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_copies)


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A copy of the extracted services to change."""
    for service in check_copies.SERVICES:
        shutil.copytree(
            EXTRACTED / service, tmp_path / service, ignore=shutil.ignore_patterns("var", "__pycache__", ".*_cache")
        )
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_copies_of_this_checkout_are_the_same(services: Path) -> None:
    assert check_copies.check(services) == []
    assert check_copies.main(services) == 0


@pytest.mark.parametrize("module", ["request_log.py", "settings.py"])
def test_a_change_to_one_copy_is_reported_with_both_files(
    services: Path, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(services / "users" / "users_service" / module, "    return ", "    return not ")
    assert check_copies.main(services) == 1
    report = capsys.readouterr().out
    assert f"users/users_service/{module}" in report
    assert f"catalog/catalog_service/{module}" in report
    assert "return not" in report


def test_a_change_to_a_definition_listed_as_own_is_allowed(services: Path) -> None:
    change(services / "users" / "users_service" / "settings.py", "3.0)", "4.0)")
    assert check_copies.check(services) == []


def test_a_listed_file_that_is_missing_is_reported(services: Path) -> None:
    (services / "catalog" / "catalog_service" / "resource.py").unlink()
    assert [problem.partition(";")[0] for problem in check_copies.check(services)] == [
        f"{services}/catalog/catalog_service/resource.py does not exist"
    ]


def test_a_checkout_without_one_service_passes(services: Path) -> None:
    shutil.rmtree(services / "catalog")
    assert check_copies.main(services) == 0
