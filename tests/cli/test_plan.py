"""`strangler plan`: two files, and a running gateway with a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.traffic.counts import HourOf, TrafficCounts
from tests.cli.conftest import Strangler
from tests.control.admin.gateways import AdminApi, ShownGateway
from tests.control.admin.serving import serving
from tests.plan.configurations import week
from tests.traffic.filling import fill_store

CONFIG = """\
version: 1
store: {url: "sqlite:///store.sqlite3"}
upstreams: {shop: {endpoints: "http://127.0.0.1:1"}, catalog: {endpoints: "http://127.0.0.1:2"}}
default: shop
migrations:
  catalog:
    from: shop
    to: catalog
    stage: canary
    canary: {percent: 10, sticky: ip}
    routes: [{name: all, match: {path: "/catalog/**"}}]
"""
MORE = "> catalog/all: 40.0 % of its callers from shop to catalog, 24."


@pytest.fixture
def configurations(tmp_path: Path) -> tuple[Path, Path]:
    """One with a canary of 10 %, and one of 50 %."""
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(CONFIG)
    new.write_text(CONFIG.replace("percent: 10", "percent: 50"))
    return old, new


def test_two_files_are_weighed_by_the_store_of_the_old_one(
    strangler: Strangler, configurations: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = configurations
    monkeypatch.setattr("strangler.cli.plan.time", lambda: week().until * 3600.0)
    counts = TrafficCounts({HourOf(week().until, labels): count for labels, count in week().requests.items()})
    fill_store(load(old).snapshot.store.url, counts)
    said = strangler("plan", old, new)
    assert (said.code, said.err) == (0, "")
    assert MORE in said.out
    assert "this change sends 24.0 % of the requests of the last 1 hours" in said.out
    assert strangler("plan", new, old).code == 1
    assert strangler("plan", new, old, "--json").json["back"] == ["catalog/all"]


def test_files_without_traffic_show_shares(strangler: Strangler, configurations: tuple[Path, Path]) -> None:
    said = strangler("plan", *configurations)
    assert said.code == 0
    assert said.err.startswith("strangler: no traffic of the last week can be read: ")
    assert "> catalog/all: 40.0 % of its callers from shop to catalog\n" in said.out


def test_a_running_gateway_is_compared_with_a_file(
    strangler: Strangler, configurations: tuple[Path, Path], write: Callable[[str], Path]
) -> None:
    old, new = configurations
    api = AdminApi(ShownGateway(load(old).snapshot, traffic=week()))
    with serving(api) as url:
        said = strangler("plan", url, new)
        assert (said.code, said.err) == (0, "")
        assert MORE in said.out
        assert said.out.splitlines()[-1].startswith("this change sends 24.0 % of last week's requests, ")
        # The address of the running gateway is that of the new file, too.
        new.write_text(f"admin: {url.removeprefix('http://')}\n" + new.read_text())
        assert MORE in strangler("plan", new).out
        api.gateway.traffic = None
        said = strangler("plan", url, new)
        assert "the configuration names no store" in said.err
        assert said.out.endswith("as no traffic is recorded\n")


def test_what_can_not_be_read_is_reported(strangler: Strangler, configurations: tuple[Path, Path]) -> None:
    old, new = configurations
    said = strangler("plan", "http://127.0.0.1:1", new)
    assert (said.code, said.err.startswith("strangler: no gateway responds at http://127.0.0.1:1/routing")) == (1, True)
    new.write_text("version: 1\n")
    assert "new.yaml" in strangler("plan", old, new).err
    assert strangler("plan").code == 2
    assert strangler("plan", old, new, old).code == 2
