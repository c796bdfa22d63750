"""What must hold of `headers`, `cors` and `rewrite`: nothing that framing, security or a browser would suffer from."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.schema.changes import CorsSection, FieldChangesSection, HeaderChangesSection, RewriteSection
from strangler.config.schema.routes import MatchSection, MigrationSection, RouteSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem, suggestion
from strangler.model.dropped_fields import FORWARDING_GROUP, IDENTITY, folded, folded_names
from strangler.model.path_patterns import PatternError, SegmentKind, parse_pattern

_FRAMING = "it frames messages or controls the connection"
_OWN = "the gateway writes it"
_BOTH_WAYS = {
    **dict.fromkeys(
        (
            "connection",
            "content-length",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
            "http2-settings",
        ),
        _FRAMING,
    ),
    **dict.fromkeys(("via", "x-request-id"), _OWN),
}
REQUEST_FIELDS_KEPT = {
    **_BOTH_WAYS,
    "host": "set 'host: preserve' or 'host: endpoint' on the upstream instead",
    "x-shadow": _OWN,
    "traceparent": _OWN,
    "max-forwards": _FRAMING,
    **dict.fromkeys(IDENTITY, "it identifies the caller"),
    **dict.fromkeys(folded_names(FORWARDING_GROUP), "it identifies where the request came from"),
    **dict.fromkeys(("x-forwarded-prefix", "x-real-ip"), "it identifies where the request came from"),
}
_CORS_FIELDS = "access-control-"


def problems(checked: Checked) -> Iterator[Problem]:
    """Everything that is wrong."""
    for number, route in enumerate(checked.model.routes):
        yield from _part(checked, route, "routes", number)
        yield from _rewrite(checked, route.rewrite, route.match, "routes", number, "rewrite")
    for name, migration in checked.model.migrations.items():
        yield from _part(checked, migration, "migrations", name)
        for number, part in enumerate(migration.routes):
            path: tuple[Step, ...] = ("migrations", name, "routes", number)
            yield from _headers(checked, part.headers, (part.cors or migration.cors) is not None, *path, "headers")
            yield from _cors(checked, part.cors, *path, "cors")
            yield from _rewrite(checked, part.rewrite, part.match, *path, "rewrite")


def _part(checked: Checked, part: RouteSection | MigrationSection, *path: Step) -> Iterator[Problem]:
    yield from _headers(checked, part.headers, part.cors is not None, *path, "headers")
    yield from _cors(checked, part.cors, *path, "cors")


def _headers(checked: Checked, section: HeaderChangesSection | None, cors: bool, *path: Step) -> Iterator[Problem]:
    if section is not None:
        yield from _fields(checked, section.request, REQUEST_FIELDS_KEPT, False, *path, "request")
        yield from _fields(checked, section.response, _BOTH_WAYS, cors, *path, "response")


def _fields(
    checked: Checked, section: FieldChangesSection, kept: dict[str, str], cors: bool, *path: Step
) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    named: list[tuple[str, str, Step]] = [
        *((name, "set", name) for name in section.set),
        *((name, "add", name) for name in section.add),
        *((name, "remove", number) for number, name in enumerate(section.remove)),
    ]
    for name, kind, step in named:
        lower = name.lower()
        # Servers fold other spellings into these.
        reason = kept.get(folded(name))
        place = (*path, kind, step)
        if reason is not None:
            yield checked.problem(f"the header {name} can't be changed: {reason}", *place, key=kind != "remove")
        elif cors and lower.startswith(_CORS_FIELDS):
            yield checked.problem(f"the header {name} is written by 'cors' on this route", *place, key=kind != "remove")
        elif seen.setdefault(lower, kind) != kind:
            yield checked.problem(
                f"the header {name} is in both '{seen[lower]}' and '{kind}'", *place, key=kind != "remove"
            )


def _cors(checked: Checked, section: CorsSection | None, *path: Step) -> Iterator[Problem]:
    if section is None:
        return
    if "*" in section.origins:
        place = (*path, "origins")
        if section.credentials:
            yield checked.problem(
                "any origin together with credentials would let every page act as its visitor",
                *place,
                hint="list origins",
            )
        elif len(section.origins) > 1:
            yield checked.problem("'*' already covers every origin", *place)
    elif "null" in section.origins and section.credentials:
        yield checked.problem(
            "any page can open a frame whose origin is null: with credentials, every page could act as its visitor",
            *path,
            "origins",
            section.origins.index("null"),
            hint="list the origins, or leave out 'credentials'",
        )


def _rewrite(checked: Checked, section: RewriteSection | None, match: MatchSection, *path: Step) -> Iterator[Problem]:
    if section is None:
        return
    for name in ("strip_prefix", "add_prefix"):
        prefix = getattr(section, name)
        if prefix is not None and not _is_prefix(prefix):
            yield checked.problem(f"{name} '{prefix}' must be whole segments, such as /shop", *path, name)
            return
    try:
        matched = parse_pattern(match.path or "/**")
    except PatternError:
        return  # reported at its own place
    if section.strip_prefix is not None:
        literals = [segment.text if segment.kind is SegmentKind.LITERAL else None for segment in matched]
        wanted = [segment.text for segment in parse_pattern(section.strip_prefix)]
        if literals[: len(wanted)] != wanted:
            yield checked.problem(
                f"the route also matches paths that do not begin with '{section.strip_prefix}'",
                *path,
                "strip_prefix",
                hint=f"match {section.strip_prefix}/**",
            )
    if section.path is None:
        return
    try:
        target = parse_pattern(section.path)
    except PatternError as error:
        yield checked.problem(str(error), *path, "path")
        return
    names = {segment.text for segment in matched if segment.kind is SegmentKind.ONE and segment.text}
    for segment in target:
        if segment.kind is SegmentKind.ONE and segment.text not in names:
            said = f"{{{segment.text}}}" if segment.text else "*"
            hint = suggestion(segment.text, names) if segment.text else "name the segment"
            yield checked.problem(f"the path has {said}, but match.path does not", *path, "path", hint=hint)
        if segment.kind is SegmentKind.REST and matched[-1].kind is not SegmentKind.REST:
            yield checked.problem("the path ends with '**', but match.path does not", *path, "path")


def _is_prefix(prefix: str) -> bool:
    try:
        segments = parse_pattern(prefix)
    except PatternError:
        return False
    return all(segment.kind is SegmentKind.LITERAL and segment.text for segment in segments)
