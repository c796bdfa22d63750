"""The pytest plugin as a user's suite has it, installed by its entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.e2e.recording_upstream import RecordingUpstream

pytest_plugins = ["pytester"]


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("shop") as running:
        yield running


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's suite, which knows nothing of this one's settings."""
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider --strict-markers")
    return pytester


def test_one_test_for_each_recorded_request(suite: pytest.Pytester) -> None:
    entries = [
        {"request": {"method": method, "url": f"https://shop.example{path}", "headers": []}}
        for method, path in (("GET", "/a?x=1"), ("HEAD", "/b"), ("POST", "/orders"))
    ]
    (suite.path / "recordings").mkdir()
    (suite.path / "recordings" / "shop.har").write_text(json.dumps({"log": {"entries": entries}}))
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.recorded("recordings/shop.har")
        def test_safe(recorded_request):
            assert recorded_request.target != "/b"

        @pytest.mark.recorded("recordings/shop.har", methods=["POST"])
        def test_orders(recorded_request):
            assert recorded_request.method == "POST"
        """
    )
    result = suite.runpytest_subprocess("-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            "*::test_safe[[]GET /a?x=1] PASSED*",
            "*::test_safe[[]HEAD /b] FAILED*",
            "*::test_orders[[]POST /orders] PASSED*",
        ]
    )


def test_only_requests_of_a_migration(suite: pytest.Pytester) -> None:
    (suite.path / "shop.txt").write_text("/catalog/1\n/orders/1\n/catalog/2\n")
    (suite.path / "gateway.yaml").write_text(
        """
version: 1
upstreams: {monolith: {endpoints: "http://127.0.0.1:1"}, catalog: {endpoints: "http://127.0.0.1:2"}}
migrations:
  catalog: {from: monolith, to: catalog, stage: legacy, routes: [{match: {path: /catalog/**}}]}
"""
    )
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.recorded("shop.txt", config="gateway.yaml", migration="catalog")
        def test_catalog(recorded_request):
            assert recorded_request.operation == "GET /catalog/**"
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("decorator", "said"),
    [
        ("", "recorded_request needs the marker @pytest.mark.recorded(file)"),
        ("@pytest.mark.recorded('missing.har')", "missing.har: No such file or directory"),
        ("@pytest.mark.recorded('empty.txt')", "empty.txt: no request in it is to be asked"),
        ("@pytest.mark.recorded('posts.txt')", "no request in it is to be asked (left out: method POST 1)"),
        ("@pytest.mark.recorded('broken.har')", "broken.har: not JSON"),
        ("@pytest.mark.recorded('shop.pcap')", "shop.pcap: what it holds is not clear from its name"),
        ("@pytest.mark.recorded('empty.txt', nonsense=1)", "unexpected keyword argument 'nonsense'"),
    ],
)
def test_a_recording_that_gives_no_test_is_an_error(suite: pytest.Pytester, decorator: str, said: str) -> None:
    (suite.path / "empty.txt").write_text("# nothing yet\n")
    (suite.path / "posts.txt").write_text("POST /a\n")
    (suite.path / "broken.har").write_text("<html>")
    suite.makepyfile(f"import pytest\n\n{decorator}\ndef test_it(recorded_request):\n    pass\n")
    result = suite.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=1)
    assert said in result.stdout.str()


def test_a_gateway_that_serves_a_test(suite: pytest.Pytester, upstream: RecordingUpstream) -> None:
    suite.makepyfile(
        f"""
        import httpx

        CONFIG = {{"upstreams": {{"shop": {{"endpoints": "{upstream.url}"}}}}, "default": "shop"}}

        def test_it(start_gateway, ask, tmp_path):
            gateway, other = start_gateway(CONFIG), start_gateway(CONFIG, workers=2)
            assert gateway.url != other.url
            assert ask(gateway.url, "/a?x=%2F").body == b'{{"served by":"shop"}}'
            assert len(other.status()["workers"]) == 2
            (tmp_path / "gateway.yaml").write_text(
                "version: 1\\nlisten: 127.0.0.1:1\\nupstreams: {{shop: {{endpoints: '${{SHOP}}'}}}}\\ndefault: shop\\n"
            )
            third = start_gateway(str(tmp_path / "gateway.yaml"), environment={{"SHOP": "{upstream.url}"}})
            assert httpx.get(third.url + "/b", trust_env=False).status_code == 200
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=1)
    assert [request.target for request in upstream.received] == [b"/a?x=%2F", b"/b"]


def test_a_gateway_that_cannot_start_says_why(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_it(start_gateway):
            start_gateway({"upstreams": {"shop": {"endpoint": "http://127.0.0.1:1"}}})
        """
    )
    result = suite.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GatewayFailed: the gateway ended with 1:*", "*unknown key 'endpoint'*"])


def test_the_rules_can_be_overridden(suite: pytest.Pytester) -> None:
    (suite.path / "gateway.yaml").write_text(
        """
version: 1
upstreams: {monolith: {endpoints: "http://127.0.0.1:1"}, catalog: {endpoints: "http://127.0.0.1:2"}}
migrations:
  catalog:
    {from: monolith, to: catalog, stage: legacy, routes: [{match: {path: /catalog/**}}],
     compare: {rules: [{name: stock, json: $.stock, ignore: all}]}}
"""
    )
    suite.makepyfile(
        """
        import httpx
        from strangler.testing import assert_equivalent

        def test_it(compare_rules):
            one, other = httpx.Response(200, json={"stock": 1}), httpx.Response(200, json={"stock": 2})
            assert_equivalent(one, other, compare_rules)
        """
    )
    suite.runpytest_subprocess().assert_outcomes(failed=1)
    suite.makeconftest(
        """
        import pytest
        from strangler.testing import load_rules

        @pytest.fixture(scope="session")
        def compare_rules():
            return load_rules("gateway.yaml", "catalog")
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_suite_that_does_not_use_it_does_not_load_it(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        """
import sys

def test_it():
    ours = {name for name in sys.modules if name.partition(".")[0] == "strangler"}
    assert ours == {"strangler", "strangler.testing", "strangler.testing.plugin"}
    assert not sys.modules.keys() & {"httpx", "pydantic", "jsonpath", "selectolax", "rich", "yaml", "orjson", "asyncio"}
"""
    )
    others = {plugin.name for plugin in entry_points(group="pytest11")} - {"strangler"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", f"--override-ini=addopts=-p no:{' -p no:'.join(others)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
