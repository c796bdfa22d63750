"""From the model of what was written to the snapshot that workers hold.

Names are resolved, defaults filled in, lists turned into sets and tuples.
Nothing is checked here but what shows itself when routes come together: two of
them that tie.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from strangler.config.compile.changes import default_changes
from strangler.config.compile.rate_limits import compile_rate_limits, compile_redis
from strangler.config.compile.resilience import (
    compile_balancing,
    compile_breaker,
    compile_ejection,
    compile_legacy_fallback,
    compile_resolve,
    compile_retries,
    compile_route_fallback,
    route_timeouts,
)
from strangler.config.compile.tls import TlsSettings
from strangler.config.schema.auth import RequirementSection
from strangler.config.schema.configuration import Configuration, TestSection
from strangler.config.schema.routes import MigrationRouteSection, MigrationSection, RouteSection
from strangler.config.schema.shadow import RedactSection, ShadowSection, StoreSection
from strangler.config.schema.upstreams import UpstreamSection
from strangler.config.text.document import Document
from strangler.config.text.problems import Problem
from strangler.model.auth import AuthRequirement, Provider
from strangler.model.caller import Override, StickyKey
from strangler.model.dropped_fields import folded
from strangler.model.expectations import Expectation, RoutingTest
from strangler.model.folding import EXACT, WORDS
from strangler.model.listener import AccessLog, Limits, VisitorCookie
from strangler.model.migration import Migration, Stage
from strangler.model.path_patterns import PatternError, parse_pattern
from strangler.model.resilience import Concurrency, Hedging, Retries, RetryBudget
from strangler.model.route import FieldMatch, Route
from strangler.model.route_index import AmbiguityError, RouteIndex, build_index
from strangler.model.shadow import Keep, Redact, Shadow
from strangler.model.snapshot import Snapshot, Store
from strangler.model.source import Source
from strangler.model.upstream import HealthCheck, Timeouts, Upstream, UpstreamTls

EVERY_PATH = "/**"
_SUBJECT = StickyKey("claim", "sub")
_VISITOR = StickyKey("visitor")


def compile_routes(model: Configuration, migrations: Mapping[str, Migration], document: Document) -> tuple[Route, ...]:
    """All routes, those of migrations and the others, in the order of the file."""
    upstreams = {str(name): _timeouts(section) for name, section in model.upstreams.items()}
    found: list[tuple[Source, str, RouteSection | MigrationRouteSection, Migration | None, AuthRequirement | None]] = []
    for name, section in model.migrations.items():
        own = _requirement(section.auth)
        for number, part in enumerate(section.routes):
            source = document.source("migrations", name, "routes", number)
            auth = _requirement(part.auth) or own
            title = f"{name}/{number if part.name is None else part.name}"
            found.append((source, title, part, migrations[name], auth))
    for number, route in enumerate(model.routes):
        source = document.source("routes", number)
        found.append((source, str(route.name), route, None, _requirement(route.auth)))
    files = {str(file): number for number, file in enumerate(document.files)}
    found.sort(key=lambda item: (files.get(item[0].file, 0), item[0].line, item[0].column))
    alike: dict[tuple[str, str | None, AuthRequirement | None], int] = {}
    return tuple(
        _route(name, number, part, migration, auth, source, alike, model, upstreams)
        for number, (source, name, part, migration, auth) in enumerate(found)
    )


def _route(
    name: str,
    number: int,
    part: RouteSection | MigrationRouteSection,
    migration: Migration | None,
    auth: AuthRequirement | None,
    source: Source,
    alike: dict[tuple[str, str | None, AuthRequirement | None], int],
    model: Configuration,
    upstreams: Mapping[str, Timeouts],
) -> Route:
    match = part.match
    if isinstance(part, RouteSection):
        sides = [str(part.upstream)]
        timeouts, retries, hedging = [part.timeouts], part.retries, part.hedging
        rate_limits = compile_rate_limits(name, part.rate_limits)
    else:
        assert migration is not None
        common = model.migrations[migration.name]
        sides = [migration.legacy, migration.extracted]
        timeouts = [common.timeouts, part.timeouts]
        retries = part.retries or common.retries
        hedging = part.hedging or common.hedging
        rate_limits = compile_rate_limits(f"{migration.name}/*", common.rate_limits)
        rate_limits += compile_rate_limits(name, part.rate_limits)
    return Route(
        name=name,
        number=number,
        host=match.host or "",
        path=str(match.path or EVERY_PATH),
        methods=frozenset(map(str, match.methods or ())),
        headers=tuple(FieldMatch(key.lower(), _text(value)) for key, value in match.headers.items()),
        query=tuple(FieldMatch(str(key), _text(value)) for key, value in match.query.items()),
        upstream=sides[0],
        migration=migration,
        auth=auth,
        source=source,
        alike=alike.setdefault((sides[0], None if migration is None else migration.name, auth), len(alike)),
        folding=folding_of(model, *sides),
        shadowed=migration is not None and migration.shadow is not None,
        rate_limits=rate_limits,
        timeouts=route_timeouts({side: upstreams[side] for side in sides if side in upstreams}, timeouts),
        retries=Retries() if retries is None else compile_retries(retries),
        hedging=None if hedging is None else Hedging(hedging.after),
        fallback=compile_route_fallback(part.fallback),
    )


def compile_index(routes: Iterable[Route], problems: list[Problem], folding: int = EXACT) -> RouteIndex:
    """The index of `routes` under `folding`; those that tie are added to `problems`."""
    sound = []
    for route in routes:
        try:
            parse_pattern(route.path)
        except PatternError:
            continue  # the checks have said so, at its place
        sound.append(route)
    try:
        return build_index(sound, folding)
    except AmbiguityError as error:
        # One problem a route is enough: of a hundred that are the same there are 4,950 pairs.
        told: set[str] = set()
        said = f", as an upstream's 'paths' say that {WORDS[folding]} is ignored" if folding else ""
        for first, second in error.pairs:
            if second.name not in told:
                told.add(second.name)
                problems.append(
                    Problem(
                        second.source,
                        f"the route '{second.name}' can match the same request as '{first.name}' at"
                        f" {first.source}, and neither is more specific" + said,
                    )
                )
        return build_index(())


def folding_of(model: Configuration, *upstreams: str) -> int:
    """What of a path these upstreams ignore together; those that are not there ignore nothing."""
    sections = [model.upstreams[name] for name in upstreams if name in model.upstreams]
    return reduce(or_, [section.paths.folding for section in sections], EXACT)


def compile_folded(
    model: Configuration, routes: Iterable[Route], problems: list[Problem]
) -> Mapping[int, RouteIndex] | None:
    """The index of `routes` for each way in which upstreams fold paths; None where all take them as they are."""
    routes = tuple(routes)
    used = {route.folding for route in routes}
    used.add(EXACT if model.default is None else folding_of(model, str(model.default)))
    used |= {one | other for one in used for other in used}
    return {folding: compile_index(routes, problems, folding) for folding in sorted(used - {EXACT})} or None


def compile_migrations(model: Configuration) -> dict[str, Migration]:
    """The migrations by name."""
    return {str(name): _migration(str(name), section) for name, section in model.migrations.items()}


def _migration(name: str, section: MigrationSection) -> Migration:
    canary = section.canary
    if canary is not None and canary.sticky is not None:
        sticky = tuple(canary.sticky)
    else:
        verified = section.auth is not None or any(route.auth is not None for route in section.routes)
        sticky = (_SUBJECT, _VISITOR) if verified else (_VISITOR,)
    override = section.override
    stage = section.stage
    shadow = compile_shadow(section.shadow)
    mirrors = stage is Stage.SHADOW or (shadow.reverse and stage in (Stage.CANARY, Stage.EXTRACTED))
    return Migration(
        name=name,
        legacy=str(section.from_),
        extracted=str(section.to),
        stage=stage,
        threshold=0 if canary is None else round(canary.percent * 100),
        sticky=sticky,
        always=tuple(section.always),
        never=tuple(section.never),
        override=None if override is None else Override(str(override.header), override.permitted),
        shadow=shadow if mirrors else None,
        breaker=compile_breaker(section.breaker),
        fallback=compile_legacy_fallback(section.fallback),
    )


def compile_shadow(section: ShadowSection | None) -> Shadow:
    """What `section` says of shadowing; the defaults where there is none."""
    if section is None:
        return Shadow()
    said = {name: getattr(section, name) for name in ShadowSection.model_fields}
    said["methods"] = frozenset(map(str, section.methods))
    said["sandbox"] = _text(section.sandbox)
    said["redact"] = compile_redact(section.redact)
    said["keep"] = Keep(section.keep.age, section.keep.size)
    version = said.pop("version")
    said["version_header"] = None if version is None else str(version.header).lower()
    return Shadow(**said)


def compile_redact(section: RedactSection) -> Redact:
    """What is redacted beside credentials."""
    return Redact(frozenset(name.lower() for name in section.names), section.card_numbers)


def compile_store(section: StoreSection, folder: Path) -> Store:
    """Where the store is; the path of a SQLite file is relative to `folder`."""
    scheme, _, path = str(section.url).partition(":///")
    if scheme == "sqlite":
        return Store(f"sqlite:///{(folder / path).absolute()}")
    return Store(str(section.url))


def _requirement(section: RequirementSection | None) -> AuthRequirement | None:
    if section is None:
        return None
    return AuthRequirement(
        providers=tuple(map(str, section.provider)),
        required=section.required,
        scopes=frozenset(map(str, section.scopes)),
        claims=tuple((str(name), str(value)) for name, value in section.claims.items()),
        certificate=None if section.certificate is None else _certificate_names(section.certificate),
        upgrade_token=tuple(section.upgrade_token),
    )


def _certificate_names(section: Mapping[str, list[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((str(name), tuple(map(str, values))) for name, values in section.items())


def _upstream(name: str, section: UpstreamSection, tls: UpstreamTls) -> Upstream:
    health = section.health
    return Upstream(
        name=name,
        endpoints=tuple(section.endpoints),
        timeouts=_timeouts(section),
        health=None if health is None else HealthCheck(**{**health.model_dump(), "status": frozenset(health.status)}),
        connections=section.connections,
        idle_connections=section.idle_connections,
        keep_alive=section.keep_alive,
        bare_lf=section.bare_lf,
        queue=section.queue,
        host=section.host,
        upgrades=frozenset(section.upgrades),
        tls=tls,
        folding=section.paths.folding,
        resolve=compile_resolve(section.resolve),
        balancing=compile_balancing(section.balancing),
        ejection=compile_ejection(section.ejection),
        breaker=compile_breaker(section.breaker),
        retry_budget=RetryBudget(**section.retry_budget.model_dump()),
        concurrency=None if section.concurrency is None else Concurrency(**section.concurrency.model_dump()),
    )


def _timeouts(section: UpstreamSection) -> Timeouts:
    return Timeouts(**section.timeouts.model_dump())


def _text(value: str | None) -> str | None:
    return None if value is None else str(value)


def compile_snapshot(
    model: Configuration,
    version: str,
    providers: Mapping[str, Provider],
    migrations: Mapping[str, Migration],
    routes: tuple[Route, ...],
    index: RouteIndex,
    folded_indexes: Mapping[int, RouteIndex] | None,
    folder: Path,
    tls: TlsSettings,
) -> Snapshot:
    """The snapshot of a model in which nothing is wrong; `folder` is where relative paths begin."""
    return Snapshot(
        version=version,
        listen=model.listen,
        admin=model.admin,
        providers=providers,
        upstreams={
            str(name): _upstream(str(name), section, tls.upstreams[str(name)])
            for name, section in model.upstreams.items()
        },
        migrations=migrations,
        routes=routes,
        index=index,
        default=_text(model.default),
        default_folding=EXACT if model.default is None else folding_of(model, str(model.default)),
        folded=folded_indexes,
        trusted_proxies=tuple(model.trusted_proxies),
        trusted_header=model.trusted_header,
        proxy_protocol=model.proxy_protocol,
        pass_headers={folded(name): sender for name, sender in model.pass_headers.items()},
        default_changes=None if model.default is None else default_changes(model, str(model.default)),
        limits=Limits(**model.limits.model_dump()),
        access_log=AccessLog(model.access_log.enabled, _text(model.access_log.path)),
        store=compile_store(model.store, folder),
        drain=model.shutdown.drain,
        delay=model.shutdown.delay,
        hang=model.workers.hang,
        redis=compile_redis(model.redis),
        tls=tls.listener,
        visitor_cookie=VisitorCookie(**model.visitor_cookie.model_dump()),
    )


def compile_test(section: TestSection, source: Source) -> RoutingTest:
    """The test that `section` describes."""
    method, _, target = section.request.partition(" ")
    return RoutingTest(
        source=source,
        method=method,
        target=target,
        headers=tuple(section.headers.items()),
        claims=section.claims,
        certificate=None if section.certificate is None else dict(_certificate_names(section.certificate)),
        expect=Expectation(**section.expect.model_dump()),
    )


def version_of(content: Mapping[str, Any], read: Mapping[str, bytes]) -> str:
    """The digest of what a configuration says: the same for the same content, however it is laid out.

    Tests are left out: they change nothing that is served. `read` are the
    secrets and certificates that were read from elsewhere, so that a new one is
    a new version.
    """
    said = {name: value for name, value in content.items() if name != "tests"}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode())
    for name, found in sorted(read.items()):
        digest.update(name.encode() + hashlib.sha256(found).digest())
    return digest.hexdigest()[:12]
