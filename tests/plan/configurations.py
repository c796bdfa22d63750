"""Pictures of small configurations, and a week of their traffic."""

from __future__ import annotations

from pathlib import Path

import yaml
from xxhash import xxh3_64_intdigest

from strangler.config.load import load
from strangler.observe.route_callers import RouteLabels
from strangler.observe.sketch import Sketch
from strangler.plan.picture import Picture, picture_of
from strangler.traffic.periods import HOURS
from strangler.traffic.week import Week

CATALOG = {
    "from": "shop",
    "to": "catalog",
    "stage": "canary",
    "canary": {"percent": 10, "sticky": "ip"},
    "routes": [{"name": "all", "match": {"path": "/catalog/**"}}],
}
BASE = {
    "version": 1,
    "upstreams": {"shop": {"endpoints": "http://127.0.0.1:1"}, "catalog": {"endpoints": "http://127.0.0.1:2"}},
    "default": "shop",
    "migrations": {"catalog": CATALOG},
    "routes": [{"name": "orders", "match": {"path": "/orders/{id}"}, "upstream": "shop"}],
}


def picture(folder: Path, **changes: object) -> Picture:
    """The picture of BASE with other sections; those of `catalog` are its migration's."""
    migration = changes.pop("catalog", {})
    assert isinstance(migration, dict)
    configuration = {**BASE, "migrations": {"catalog": {**CATALOG, **migration}}, **changes}
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(configuration))
    return picture_of(load(file, {}).snapshot)


def sketch(first: int, last: int) -> Sketch:
    """The callers with these numbers, the last one left out."""
    counted = Sketch()
    for number in range(first, last):
        counted.add(xxh3_64_intdigest(f"caller {number}".encode()))
    return counted


def week() -> Week:
    """A thousand requests an hour: 60 % for the catalog by 900 callers, 10 % for orders, 30 % without a route.

    Of the 1,200 callers 300 use the catalog alone and 300 orders alone.
    """
    found = Week(500_000, hourly=[1000] * HOURS)
    for labels, share, callers in (
        (RouteLabels("catalog/all", "legacy", "shop"), 0.54, sketch(0, 810)),
        (RouteLabels("catalog/all", "extracted", "catalog"), 0.06, sketch(810, 900)),
        (RouteLabels("orders", "", "shop"), 0.1, sketch(300, 1200)),
        (RouteLabels("", "", "shop"), 0.3, sketch(0, 1200)),
    ):
        found.requests[labels] = round(share * 168_000)
        found.callers[labels] = callers
    return found
