"""Walks the URL resolver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import LocalePrefixPattern, RegexPattern
from django.utils import translation
from django.utils.functional import Promise

from django_strangler.inventory.decorators import decorators_of
from django_strangler.inventory.views import app_of, methods_of, name_of, rest_framework_of

ADMIN, STATIC, MEDIA, PAGE, API = "admin", "static", "media", "page", "api"
_SERVING = {"django.views.static.serve", "django.contrib.staticfiles.views.serve"}


@dataclass
class Route:
    """One route.

    `route` is Django's own text (`ResolverMatch.route`) in the default language, `variants` the texts in others.
    `kind` is one of the constants above; an admin is one route, which stands for `covers` routes below it. `methods`
    is None where the view takes any or decides by itself. `regex` tells that a part of the route is a regular
    expression.
    """

    route: str
    kind: str
    name: str = ""
    view: str = ""
    app: str = ""
    methods: list[str] | None = None
    decorators: dict[str, Any] = field(default_factory=dict)
    rest_framework: dict[str, Any] = field(default_factory=dict)
    variants: list[str] = field(default_factory=list)
    regex: bool = False
    covers: int = 0


def routes_of_project() -> list[Route]:
    """All routes, in the order in which Django tries them; then static and media files that no pattern serves."""
    routes = list(_walk(get_resolver().url_patterns, (), ()))
    for kind, prefix in ((STATIC, settings.STATIC_URL), (MEDIA, settings.MEDIA_URL)):
        path = (prefix or "").lstrip("/")
        if path and not path.startswith(("http://", "https://")) and all(route.kind != kind for route in routes):
            routes.append(Route(path, kind))
    return routes


def _walk(
    items: list[URLPattern | URLResolver], above: tuple[Any, ...], namespaces: tuple[str, ...]
) -> Iterator[Route]:
    for item in items:
        patterns = (*above, item.pattern)
        if isinstance(item, URLPattern):
            yield _leaf(item, patterns, namespaces)
        elif item.app_name == ADMIN:
            covers = sum(1 for _ in _walk(item.url_patterns, patterns, namespaces))
            yield Route(_joined(patterns), ADMIN, view="django.contrib.admin.site", app=ADMIN, covers=covers)
        else:
            inner = (*namespaces, item.namespace) if item.namespace else namespaces
            yield from _walk(item.url_patterns, patterns, inner)


def _leaf(item: URLPattern, patterns: tuple[Any, ...], namespaces: tuple[str, ...]) -> Route:
    view, text = item.callback, _joined(patterns)
    rest_framework = rest_framework_of(view)
    return Route(
        text,
        _kind(view, text, rest_framework),
        ":".join((*namespaces, item.name)) if item.name else "",
        name_of(view),
        app_of(view),
        methods_of(view),
        decorators_of(view),
        rest_framework,
        _variants(patterns, text),
        any(isinstance(pattern, RegexPattern) for pattern in patterns),
    )


def _kind(view: Any, text: str, rest_framework: dict[str, Any]) -> str:
    if name_of(view) in _SERVING:
        static = (settings.STATIC_URL or "").lstrip("/")
        return STATIC if static and text.lstrip("^").startswith(static) else MEDIA
    return API if rest_framework else PAGE


def _joined(patterns: tuple[Any, ...], language: str | None = None) -> str:
    """The route of `patterns`, joined as ResolverMatch does, in `language` or the default one."""
    with translation.override(language or settings.LANGUAGE_CODE):
        text = ""
        for part in map(str, patterns):
            text = text + part.removeprefix("^") if text else part
    return text


def _variants(patterns: tuple[Any, ...], default: str) -> list[str]:
    if not settings.USE_I18N or not any(map(_is_translated, patterns)):
        return []
    texts = (_joined(patterns, code) for code, _ in settings.LANGUAGES)
    return sorted({text for text in texts if text != default})


def _is_translated(pattern: Any) -> bool:
    route = getattr(pattern, "_route", getattr(pattern, "_regex", ""))
    return isinstance(pattern, LocalePrefixPattern) or isinstance(route, Promise)
