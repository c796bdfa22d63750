"""From the model of what was written to the snapshot that workers hold.

Names are resolved, defaults filled in, lists turned into sets and tuples.
Nothing is checked here but what shows when routes come together: two of them
that tie.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strangler.config.compile.changes import default_changes
from strangler.config.compile.rate_limits import compile_redis
from strangler.config.compile.requirements import certificate_names
from strangler.config.compile.tls import TlsSettings
from strangler.config.compile.upstreams import compile_upstreams, folding_of
from strangler.config.schema.configuration import Configuration, TestSection
from strangler.config.schema.shadow import StoreSection
from strangler.model.auth import Provider
from strangler.model.dropped_fields import folded
from strangler.model.folding import EXACT
from strangler.model.listener import AccessLog, Limits, VisitorCookie
from strangler.model.migration import Migration
from strangler.model.route import Route
from strangler.model.route_index import RouteIndex
from strangler.model.routing_tests import Expectation, RoutingTest
from strangler.model.snapshot import Snapshot, Store
from strangler.model.yaml_place import YamlPlace


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a snapshot that are compiled before it, and its `version`."""

    version: str
    providers: Mapping[str, Provider]
    migrations: Mapping[str, Migration]
    routes: tuple[Route, ...]
    index: RouteIndex
    folded: Mapping[int, RouteIndex] | None
    tls: TlsSettings


def compile_snapshot(model: Configuration, parts: Parts, folder: Path) -> Snapshot:
    """The snapshot of a model in which nothing is wrong; `folder` is where relative paths begin."""
    return Snapshot(
        version=parts.version,
        listen=model.listen,
        admin=model.admin.listen,
        providers=parts.providers,
        upstreams=compile_upstreams(model, parts.tls.upstreams),
        migrations=parts.migrations,
        routes=parts.routes,
        index=parts.index,
        default=None if model.default is None else str(model.default),
        default_folding=EXACT if model.default is None else folding_of(model, str(model.default)),
        folded=parts.folded,
        trusted_proxies=tuple(model.trusted_proxies),
        trusted_header=model.trusted_header,
        proxy_protocol=model.proxy_protocol,
        pass_headers={folded(name): sender for name, sender in model.pass_headers.items()},
        default_changes=None if model.default is None else default_changes(model, str(model.default)),
        limits=Limits(**model.limits.model_dump()),
        access_log=AccessLog(
            model.access_log.enabled, None if model.access_log.path is None else str(model.access_log.path)
        ),
        store=compile_store(model.store, folder),
        drain=model.shutdown.drain,
        delay=model.shutdown.delay,
        hang=model.workers.hang,
        redis=compile_redis(model.redis),
        tls=parts.tls.listener,
        visitor_cookie=VisitorCookie(**model.visitor_cookie.model_dump()),
    )


def compile_store(section: StoreSection, folder: Path) -> Store:
    """Where the store is; the path of a SQLite file is relative to `folder`."""
    scheme, _, path = str(section.url).partition(":///")
    if scheme == "sqlite":
        return Store(f"sqlite:///{(folder / path).absolute()}")
    return Store(str(section.url))


def compile_test(section: TestSection, source: YamlPlace) -> RoutingTest:
    """The test that `section` describes."""
    method, _, target = section.request.partition(" ")
    return RoutingTest(
        source=source,
        method=method,
        target=target,
        headers=tuple(section.headers.items()),
        claims=section.claims,
        certificate=None if section.certificate is None else dict(certificate_names(section.certificate)),
        expect=Expectation(**section.expect.model_dump()),
    )


def version_of(content: Mapping[str, Any], read: Mapping[str, bytes]) -> str:
    """The digest of a configuration's content, independent of its layout.

    Tests are left out: they change nothing that is served. `read` are the
    secrets and certificates that were read from elsewhere, so that a new one is
    a new version.
    """
    said = {name: value for name, value in content.items() if name != "tests"}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode())
    for name, source in sorted(read.items()):
        digest.update(name.encode() + hashlib.sha256(source).digest())
    return digest.hexdigest()[:12]
