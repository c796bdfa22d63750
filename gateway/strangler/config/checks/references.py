"""What must hold across the sections: names that exist, settings that need each other.

Each check is a generator of problems that point at what was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from strangler.config.checks.compare import CompareChecks
from strangler.config.checks.headers import HeaderChecks
from strangler.config.checks.paths import PathChecks
from strangler.config.checks.resilience import ResilienceChecks
from strangler.config.checks.shadow import ShadowChecks
from strangler.config.schema.auth import RequirementSection
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.routes import MatchSection, MigrationSection
from strangler.config.text.document import Document, Step
from strangler.config.text.problems import Problem, suggestion
from strangler.model.addresses import is_loopback
from strangler.model.listener import Listener
from strangler.model.migration import Stage
from strangler.model.path_patterns import PatternError, parse_pattern
from strangler.model.route import NO_ROUTE
from strangler.model.upstream import Endpoint


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a document defines, those of broken definitions too."""

    upstreams: tuple[str, ...]
    providers: tuple[str, ...]
    migrations: tuple[str, ...]

    @classmethod
    def of(cls, document: Document) -> Names:
        """The names in `document`."""
        return cls(document.names("upstreams"), document.names("auth", "providers"), document.names("migrations"))


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one configuration; `document` is what `model` was made from."""

    model: Configuration
    document: Document
    names: Names

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong."""
        yield from self._listeners()
        yield from self._upstreams()
        if self.model.default is not None:
            yield from self._upstream(self.model.default, "default")
        for name, migration in self.model.migrations.items():
            yield from self._migration(name, migration)
        yield from self._routes()
        yield from CompareChecks(self.model, self.document).problems()
        yield from ResilienceChecks(self.model, self.document).problems()
        yield from HeaderChecks(self.model, self.document).problems()

    def warnings(self) -> Iterator[Problem]:
        """What is allowed and probably not meant."""
        admin = self.model.admin
        if not is_loopback(admin.host):
            yield self._problem(
                f"the admin address {admin} can be reached from other machines, and asks nobody who they are",
                "admin",
            )
        for number, network in enumerate(self.model.trusted_proxies):
            if network.endswith("/0"):
                yield self._problem(
                    "every peer is trusted, so any client can claim any address", "trusted_proxies", number
                )
        yield from CompareChecks(self.model, self.document).warnings()
        yield from ResilienceChecks(self.model, self.document).warnings()
        yield from HeaderChecks(self.model, self.document).warnings()
        yield from PathChecks(self.model, self.document).warnings()
        shadows = ShadowChecks(self.model, self.document)
        yield from shadows.store_warnings()
        for name, migration in self.model.migrations.items():
            yield from shadows.warnings(name, migration)
        used = shadows.live() | shadows.used()
        for name, upstream in self.model.upstreams.items():
            if not upstream.tls.verify:
                yield self._problem(
                    f"the certificates of '{name}' are not verified, so anybody on the way can answer for it",
                    "upstreams",
                    name,
                    "tls",
                    "verify",
                )
        for name in self.model.upstreams:
            if name not in used:
                yield self._problem(f"the upstream '{name}' is not used", "upstreams", name, key=True)
        providers = {name for _, auth in self._requirements() for name in auth.provider}
        for name in self.model.auth.providers:
            if name not in providers:
                yield self._problem(f"the provider '{name}' is not used", "auth", "providers", name, key=True)

    def tests(self, routes: Iterable[str]) -> Iterator[Problem]:
        """Tests that expect what is not there; `routes` are the names of all routes."""
        known = {*routes, NO_ROUTE}
        for number, test in enumerate(self.model.tests):
            path = ("tests", number, "expect")
            if test.expect.route is not None:
                yield from self._known("route", test.expect.route, known, *path, "route")
            if test.expect.migration is not None:
                yield from self._known("migration", test.expect.migration, self.names.migrations, *path, "migration")
            if test.expect.upstream is not None:
                yield from self._upstream(test.expect.upstream, *path, "upstream")

    def _listeners(self) -> Iterator[Problem]:
        listen, admin = self.model.listen, self.model.admin
        if listen.port and listen == admin:
            yield self._problem(f"the admin address can't be the one that clients use, {listen}", "admin")

        if self.model.proxy_protocol and not self.model.trusted_proxies:
            yield self._problem(
                "every connection would be closed: the PROXY protocol is taken from trusted proxies alone",
                "proxy_protocol",
                hint="list the load balancer's addresses in 'trusted_proxies'",
            )

    def _upstreams(self) -> Iterator[Problem]:
        if not self.model.upstreams and not self.names.upstreams:
            yield self._problem("there are no upstreams, so nothing could answer", "upstreams")
        for name, upstream in self.model.upstreams.items():
            seen: dict[tuple[str, int], int] = {}
            for number, endpoint in enumerate(upstream.endpoints):
                path = ("upstreams", name, "endpoints", number)
                first = seen.setdefault((endpoint.host, endpoint.port), number)
                if first != number:
                    yield self._problem(f"the endpoint {endpoint.url} is listed twice", *path)
                if _is_listener(endpoint, self.model.listen):
                    yield self._problem(f"the endpoint {endpoint.url} is this gateway itself", *path)
            if upstream.tls.model_fields_set and not any(endpoint.tls for endpoint in upstream.endpoints):
                yield self._problem(
                    f"upstreams.{name}.tls says nothing: no endpoint is https", "upstreams", name, "tls", key=True
                )

    def _migration(self, name: str, migration: MigrationSection) -> Iterator[Problem]:
        path = ("migrations", name)
        yield from self._upstream(migration.from_, *path, "from")
        yield from self._upstream(migration.to, *path, "to")
        if migration.from_ == migration.to:
            yield self._problem(f"'from' and 'to' are the same upstream, '{migration.to}'", *path, "to")
        if migration.stage is Stage.CANARY and migration.canary is None:
            yield self._problem(
                f"{'.'.join(path)}: stage canary needs the section 'canary'",
                *path,
                "stage",
                hint="as in canary: {percent: 10}",
            )
        names: dict[str, int] = {}
        for number, route in enumerate(migration.routes):
            here = route.name or str(number)
            if names.setdefault(here, number) != number:
                yield self._problem(f"the route '{name}/{here}' is defined twice", *path, "routes", number, "name")
            yield from self._match(route.match, *path, "routes", number, "match")
        yield from self._identity_conditions(name, migration)
        yield from self._certificate_conditions(migration, *path)
        if migration.shadow is not None:
            yield from ShadowChecks(self.model, self.document).problems(name, migration.shadow)
            if migration.shadow.sandbox is not None:
                yield from self._upstream(migration.shadow.sandbox, *path, "shadow", "sandbox")

    def _identity_conditions(self, name: str, migration: MigrationSection) -> Iterator[Problem]:
        """Claims and scopes are only there where a provider verifies a token."""
        asked_of = (migration.auth, *(route.auth for route in migration.routes))
        if any(auth is not None and auth.provider for auth in asked_of):
            return
        path = ("migrations", name)
        asked: list[tuple[object, tuple[Step, ...]]] = [
            (condition, (*path, field, number))
            for field, conditions in (("always", migration.always), ("never", migration.never))
            for number, condition in enumerate(conditions)
            if condition.kind in ("claim", "scope")
        ]
        if migration.override is not None:
            permitted = migration.override.permitted
            if permitted.kind != "certificate":
                asked.append((permitted, (*path, "override", "permitted")))
        sticky = (migration.canary and migration.canary.sticky) or []
        keys: list[tuple[object, tuple[Step, ...]]] = [
            (key, (*path, "canary", "sticky", number)) for number, key in enumerate(sticky) if key.kind == "claim"
        ]
        for what, place in [*asked, *keys]:
            yield self._problem(
                f"'{what}' can never hold: no token is verified in the migration '{name}'",
                *place,
                hint="give the migration 'auth', with 'required: false' if callers may be anonymous",
            )

    def _certificate_conditions(self, migration: MigrationSection, *path: Step) -> Iterator[Problem]:
        for field, conditions in (("always", migration.always), ("never", migration.never)):
            for number, condition in enumerate(conditions):
                if condition.kind == "certificate":
                    yield from self._certificates_asked(f"'{condition}'", *path, field, number)
        for number, key in enumerate((migration.canary and migration.canary.sticky) or []):
            if key.kind == "certificate":
                yield from self._certificates_asked(f"'{key}'", *path, "canary", "sticky", number)
        if migration.override is not None and migration.override.permitted.kind == "certificate":
            yield from self._certificates_asked(f"'{migration.override.permitted}'", *path, "override", "permitted")

    def _certificates_asked(self, what: str, *path: Step) -> Iterator[Problem]:
        """Client certificates are only there where clients are asked for them."""
        if self.document.get("tls", "client_ca") is None:
            yield self._problem(
                f"{what} can never hold: clients are not asked for a certificate", *path, hint="give 'tls.client_ca'"
            )

    def _routes(self) -> Iterator[Problem]:
        names: dict[str, int] = {}
        for number, route in enumerate(self.model.routes):
            path: tuple[Step, ...] = ("routes", number)
            first = names.setdefault(route.name, number)
            if first != number:
                yield self._problem(
                    f"the route '{route.name}' is defined twice",
                    *path,
                    "name",
                    hint=f"first at {self.document.source('routes', first, 'name')}",
                )
            if route.name == NO_ROUTE:
                yield self._problem(f"'{NO_ROUTE}' means that no route matches: choose another name", *path, "name")
            yield from self._upstream(route.upstream, *path, "upstream")
            yield from self._match(route.match, *path, "match")
        for place, requirement in self._requirements():
            for name in requirement.provider:
                yield from self._known("provider", name, self.names.providers, *place, "provider")
            if len(set(requirement.provider)) < len(requirement.provider):
                yield self._problem("a provider is listed twice", *place, "provider")
            if requirement.certificate is not None:
                yield from self._certificates_asked("'certificate'", *place, "certificate")

    def _requirements(self) -> Iterator[tuple[tuple[Step, ...], RequirementSection]]:
        for number, route in enumerate(self.model.routes):
            if route.auth is not None:
                yield ("routes", number, "auth"), route.auth
        for name, migration in self.model.migrations.items():
            if migration.auth is not None:
                yield ("migrations", name, "auth"), migration.auth
            for number, part in enumerate(migration.routes):
                if part.auth is not None:
                    yield ("migrations", name, "routes", number, "auth"), part.auth

    def _match(self, match: MatchSection, *path: Step) -> Iterator[Problem]:
        if match.path is not None:
            try:
                parse_pattern(match.path)
            except PatternError as error:
                yield self._problem(str(error), *path, "path")

    def _upstream(self, name: str, *path: Step) -> Iterator[Problem]:
        yield from self._known("upstream", name, self.names.upstreams, *path)

    def _known(self, kind: str, name: str, known: Iterable[str], *path: Step) -> Iterator[Problem]:
        known = set(known)
        if name not in known:
            yield self._problem(f"there is no {kind} '{name}'", *path, hint=suggestion(name, known))

    def _problem(self, message: str, *path: Step, hint: str | None = None, key: bool = False) -> Problem:
        return Problem(self.document.source(*path, key=key), message, hint)


def _is_listener(endpoint: Endpoint, listen: Listener) -> bool:
    if endpoint.port != listen.port:
        return False
    every = listen.host in ("0.0.0.0", "::")
    return endpoint.host == listen.host or (every and is_loopback(endpoint.host))
