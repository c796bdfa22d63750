"""Series exist at 0 before their first event, so that Prometheus sees the increase by it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
import yaml

from strangler.config.load import load
from strangler.control.status import expected_series
from strangler.control.status.certificates import certificate_families
from strangler.control.status.expected_series import MOST_REQUEST_SERIES, event_labels, request_labels
from strangler.control.status.metrics import exposition, traffic_families
from strangler.control.status.totals import WorkerTotals
from strangler.model.snapshot import Snapshot
from strangler.observe.counters import MOST_EVENTS, RequestFigures, WorkerReport

PACKAGE = Path(__file__).parents[3] / "gateway" / "strangler"
LABELLED_BY_REASON = {
    "broken_responses",
    "proxy_protocol_refused",
    "redis_unusable",
    "tls_handshakes_failed",
    "tunnels_closed",
    "upstream_tls_failures",
}


def snapshot(folder: Path, **changes: object) -> Snapshot:
    """A configuration in which everything may happen."""
    upstream = {"breaker": {}, "concurrency": {"limit": 10}}
    config = {
        "version": 1,
        "upstreams": {
            "monolith": {"endpoints": ["http://127.0.0.1:1"], **upstream},
            "catalog": {"endpoints": ["https://127.0.0.1:2", "https://127.0.0.1:3"]},
        },
        "default": "monolith",
        "auth": {"providers": {"sessions": {"django_session": {"upstream": "monolith", "secret": "file:secret"}}}},
        "migrations": {
            "catalog": {
                "from": "monolith",
                "to": "catalog",
                "stage": "canary",
                "canary": {"percent": 1},
                "breaker": {},
                "rate_limits": [{"requests": 1, "per": "1s"}],
                "routes": [{"name": "products", "match": {"path": "/catalog/**"}, "hedging": {"after": "100ms"}}],
            }
        },
        **changes,
    }
    (folder / "secret").write_text("a secret of the tests, long enough")
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config))
    return load(folder / "gateway.yaml").snapshot


def test_requests_of_each_side_are_expected(tmp_path: Path) -> None:
    totals = WorkerTotals()
    totals.expect(snapshot(tmp_path))
    text = exposition(lambda: traffic_families(totals)).decode()
    for side, upstream in (("legacy", "monolith"), ("extracted", "catalog")):
        for status in (200, 500, 502, 503, 504):
            labels = f'{{route="catalog/products",side="{side}",status="{status}",upstream="{upstream}"}}'
            assert f"strangler_requests_total{labels} 0.0" in text
        for result in ("served", "failed"):
            labels = f'{{migration="catalog",result="{result}",side="{side}"}}'
            assert f"strangler_migration_requests_total{labels} 0.0" in text
    assert 'answered_by="legacy",cause="timeout",migration="catalog",route="catalog/products"} 0.0' in text


def test_a_migrations_requests_are_summed_by_side_and_result(tmp_path: Path) -> None:
    totals = WorkerTotals()
    totals.expect(snapshot(tmp_path))
    figures = RequestFigures(3, 0.1, 10, [3] + [0] * 14)
    statuses = (200, 404, 499, 502, 599)
    route = "catalog/products"
    totals.add(WorkerReport(requests={(route, "extracted", "catalog", status): figures for status in statuses}))
    totals.add(WorkerReport(requests={("", "", "monolith", 500): figures}))
    text = exposition(lambda: traffic_families(totals)).decode()
    assert 'strangler_migration_requests_total{migration="catalog",result="served",side="extracted"} 9.0' in text
    assert 'strangler_migration_requests_total{migration="catalog",result="failed",side="extracted"} 6.0' in text
    assert 'strangler_migration_requests_total{migration="catalog",result="failed",side="legacy"} 0.0' in text


def test_every_event_is_expected_unless_its_label_is_a_reason(tmp_path: Path) -> None:
    code = "\n".join(file.read_text() for file in sorted((PACKAGE / "proxy").rglob("*.py")))
    counted = set(re.findall(r'\.event\(\s*"([a-z_]+)"', code))
    noted = {event.replace(" ", "_") for event in re.findall(r'plane\.notice\(\s*"([a-z_ ]+)"', code)}
    breakers = {event.replace(" ", "_") for event in re.findall(r'State\.[A-Z_]+: "(breaker [a-z ]+)"', code)}
    assert len(counted) > 15
    assert len(breakers) == 3
    expected = {event for event, _ in event_labels(snapshot(tmp_path))}
    assert counted | noted | breakers == expected | LABELLED_BY_REASON


def test_expected_events_take_no_room_from_others(tmp_path: Path) -> None:
    totals = WorkerTotals()
    totals.expect(snapshot(tmp_path))
    expected = len(totals.events)
    totals.add(WorkerReport(events={("broken_responses", f"reason {number}"): 1 for number in range(2 * MOST_EVENTS)}))
    assert len(totals.events) == expected + MOST_EVENTS + 1


def test_expected_requests_are_bounded(tmp_path: Path) -> None:
    routes = [{"name": f"r{n}", "match": {"path": f"/r{n}/**"}, "upstream": "monolith"} for n in range(1_100)]
    labels = list(request_labels(snapshot(tmp_path, routes=routes)))
    assert len(labels) == MOST_REQUEST_SERIES
    assert {status for *_, status in labels} == {"200"}, "the first status of all routes comes before the second"
    assert labels[0] == ("", "", "monolith", expected_series.STATUSES[0])


def test_a_certificates_end_is_that_of_the_first_in_its_file_to_end(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    soon = now + timedelta(days=3)
    authority = trustme.CA()
    certificates = [authority.issue_cert("x.example", not_after=end) for end in (now + timedelta(days=9), soon)]
    (tmp_path / "ca.crt").write_bytes(b"".join(one.cert_chain_pems[0].bytes() for one in certificates))
    upstreams = {"monolith": {"endpoints": ["https://127.0.0.1:1"], "tls": {"ca": "ca.crt"}}}
    loaded = snapshot(tmp_path, upstreams=upstreams, migrations={})
    (family,) = certificate_families(loaded)
    (sample,) = family.samples
    assert sample.labels == {"certificate": "upstream_ca", "upstream": "monolith"}
    assert sample.value == soon.timestamp()
