"""deploy/observability: a real Prometheus takes the metrics, and each alert fires, is explained and can fire."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.observed import observed_gateway
from tests.deploy.prometheus_process import INSTALLED, OBSERVABILITY, prometheus, promtool
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.waiting import wait_for

ROOT = Path(__file__).parents[2]
RULES = [
    rule for group in yaml.safe_load((OBSERVABILITY / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
DASHBOARD = json.loads((OBSERVABILITY / "grafana" / "strangler.json").read_text())

needs_prometheus = pytest.mark.skipif(not INSTALLED, reason="prometheus is not installed")

_METRIC = re.compile(r"\bstrangler_[a-z_]+[a-z]\b")
_RECORDED = re.compile(r"\bstrangler:[a-z0-9_:]+")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with every metric, for the tests of this module."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with observed_gateway(tmp_path_factory.mktemp("observed"), nobody) as running:
            yield running


@pytest.fixture(scope="module")
def samples(gateway: GatewayProcess) -> set[str]:
    """The names of all samples of /metrics, before any request."""
    # The controller of rollouts needs a moment to be elected.
    wait_for(lambda: gateway.metric("strangler_rollout_leader") == 1, "the controller")
    return {name for name, _ in gateway.metrics()}


def expressions(of: Any) -> Iterator[str]:
    """Every query of a dashboard."""
    if isinstance(of, dict):
        for key, value in of.items():
            if key in ("expr", "definition"):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(of, list):
        for value in of:
            yield from expressions(value)


QUERIES = {
    "dashboard": list(expressions(DASHBOARD)),
    "rules": [rule["expr"] for rule in RULES],
}


# Alerts


@needs_prometheus
@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")],
    ids=" ".join,
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    cases = yaml.safe_load((OBSERVABILITY / "rules_test.yml").read_text())["tests"]
    firing = {case["alertname"] for test in cases for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert sorted({alert["alert"] for alert in ALERTS} - firing) == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_names_its_severity_and_links_to_its_runbook(alert: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "observe.md").read_text()
    section = page.partition(f"### {alert['alert']}\n")[2].partition("\n### ")[0]
    assert section.strip().startswith({"page": "*Page.*", "ticket": "*Ticket.*"}[alert["labels"]["severity"]])
    assert alert["annotations"]["runbook_url"] == f"docs/observe.md#{alert['alert'].lower()}"
    assert alert["annotations"]["summary"]


def test_runbooks_are_those_of_alerts() -> None:
    page = (ROOT / "docs" / "observe.md").read_text()
    runbooks = re.findall(r"^### (Strangler\w+)$", page, re.MULTILINE)
    assert sorted(runbooks) == sorted(alert["alert"] for alert in ALERTS)


# Metrics


@pytest.mark.parametrize("place", QUERIES)
def test_metrics_in_queries_exist_before_the_first_request(place: str, samples: set[str]) -> None:
    named = {name for query in QUERIES[place] for name in _METRIC.findall(query)}
    assert len(named) > 15
    # Which gates there are depends on what the controller has seen.
    assert sorted(named - samples - {"strangler_rollout_gate"}) == []


def test_recorded_series_in_queries_are_recorded() -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    named = {name for queries in QUERIES.values() for query in queries for name in _RECORDED.findall(query)}
    assert named == recorded


def test_every_metric_is_on_the_dashboard(samples: set[str]) -> None:
    shown = "\n".join(QUERIES["dashboard"])
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    elsewhere = {
        "strangler_key_set_available": "an alert",
        "strangler_key_set_error": "an alert",
        "strangler_watch_last_look_timestamp_seconds": "an alert",
    }
    assert sorted(name for name in families if name not in shown and name not in elsewhere) == []


@needs_prometheus
def test_promtool_finds_nothing_wrong_with_the_metrics(gateway: GatewayProcess) -> None:
    done = promtool("check", "metrics", given=gateway.admin("/metrics").text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_prometheus
def test_a_prometheus_sees_the_first_failure_and_an_injected_fault(gateway: GatewayProcess, tmp_path: Path) -> None:
    failed = 'strangler_migration_requests_total{migration="dead", side="extracted", result="failed"}'
    with prometheus(tmp_path, f"127.0.0.1:{gateway.admin_port}") as running:
        wait_for(lambda: running.query(f"{failed} == 0"), "the series at 0, before any failure")
        with gateway.client() as client:
            assert client.request("/dead/one").status == 502
        wait_for(lambda: running.query(f"increase({failed}[1m]) > 0"), "the increase by the first failure")
        wait_for(lambda: running.query('strangler:migration_failures:ratio_rate5m{migration="dead"} > 0'), "the ratio")
        assert running.query('up{job="strangler"} == 1')
        assert "StranglerConfigurationInvalid" not in running.alerts()
        # The address at which no Redis is makes this gateway report that from the start.
        valid = gateway.path.read_text()
        gateway.path.write_text("version: 2")
        wait_for(lambda: running.alerts().get("StranglerConfigurationInvalid") == "pending", "the alert")
        gateway.path.write_text(valid)
        wait_for(lambda: "StranglerConfigurationInvalid" not in running.alerts(), "the end of the alert")
