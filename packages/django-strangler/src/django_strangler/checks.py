"""`manage.py check`: what breaks first when a gateway stands in front. Each message says what to set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from django_strangler.conf import Options, options

GATEWAY_MIDDLEWARE = "django_strangler.middleware.GatewayMiddleware"
TOKEN_MIDDLEWARE = "django_strangler.tokens.middleware.TokenMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
_DEFAULT_NAMES = {"SESSION_COOKIE_NAME": "sessionid", "CSRF_COOKIE_NAME": "csrftoken"}
_MAY_COME_FIRST = {"django.middleware.security.SecurityMiddleware", "whitenoise.middleware.WhiteNoiseMiddleware"}


@register(Tags.compatibility)
def check_options(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """STRANGLER itself, and the places of the middlewares."""
    try:
        chosen = options()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="strangler.E001")]
    return [*_identity(chosen), *_middlewares(chosen)]


def _identity(chosen: Options) -> Iterator[CheckMessage]:
    if not chosen.secrets:
        yield Warning(
            "STRANGLER['SECRETS'] is empty, so no message of the gateway can be verified, and the app does nothing.",
            hint="Set the secret that the gateway's configuration names, of at least 32 random bytes.",
            id="strangler.W002",
        )
    if not chosen.identity_id:
        yield Error(
            "STRANGLER['IDENTITY_ID'] is missing, so sessions have no identity for the gateway.",
            hint="Name an attribute of the user that extracted services know as well, such as a UUID, or a function.",
            id="strangler.E003",
        )
    elif chosen.identity_id in ("pk", "id"):
        yield Warning(
            f"STRANGLER['IDENTITY_ID'] is {chosen.identity_id!r}: another service's database numbers its users"
            " differently, and one user could see another's data.",
            hint="Use a UUID or another value that is the same on both sides.",
            id="strangler.W004",
        )
    if chosen.keys and not chosen.audience:
        yield Error(
            "STRANGLER['KEYS'] is set without STRANGLER['AUDIENCE'], so a token for another service would be accepted.",
            hint="AUDIENCE is the name of this upstream in the gateway's configuration.",
            id="strangler.E005",
        )


def _middlewares(chosen: Options) -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    if GATEWAY_MIDDLEWARE not in names:
        yield Error(
            f"{GATEWAY_MIDDLEWARE} is not in MIDDLEWARE: no session has an identity, and shadow copies are not undone.",
            hint="Put it first.",
            id="strangler.E006",
        )
    elif others := [name for name in names[: names.index(GATEWAY_MIDDLEWARE)] if name not in _MAY_COME_FIRST]:
        yield Error(
            f"{', '.join(others)} come before {GATEWAY_MIDDLEWARE}: what they do for a shadow copy is not undone.",
            hint="Put the gateway's middleware first.",
            id="strangler.E007",
        )
    if TOKEN_MIDDLEWARE in names and AUTHENTICATION in names[names.index(TOKEN_MIDDLEWARE) :]:
        yield Error(
            f"{TOKEN_MIDDLEWARE} comes before AuthenticationMiddleware, which replaces the token's user.",
            hint="Put it after AuthenticationMiddleware.",
            id="strangler.E008",
        )


@register(Tags.compatibility)
def check_behind_a_gateway(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Django's own settings, as they have to be behind a gateway."""
    return [*_hosts(), *_csrf(), *_cookies(), *_requests()]


def _hosts() -> Iterator[CheckMessage]:
    hosts = set(settings.ALLOWED_HOSTS)
    if not settings.DEBUG and not hosts - {"localhost", "127.0.0.1", "[::1]"}:
        yield Warning(
            "ALLOWED_HOSTS has no public name: requests with the clients' Host get 400.",
            hint="Add the name that clients use; the gateway keeps their Host.",
            id="strangler.W010",
        )
    if settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
        yield Error(
            "SECURE_SSL_REDIRECT without SECURE_PROXY_SSL_HEADER: behind a gateway that ends TLS, every request is"
            " redirected to itself.",
            hint='SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https"); the gateway overwrites the field.',
            id="strangler.E011",
        )
    if not settings.SECURE_PROXY_SSL_HEADER and (settings.SESSION_COOKIE_SECURE or settings.SECURE_HSTS_SECONDS):
        yield Warning(
            "Clients use https, and SECURE_PROXY_SSL_HEADER is not set: Django takes requests of the gateway for http,"
            " refuses the Origin of every POST and builds http links.",
            hint='SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https"); the gateway overwrites the field.',
            id="strangler.W012",
        )


def _csrf() -> Iterator[CheckMessage]:
    policy = settings.SECURE_REFERRER_POLICY
    policies = {policy} if isinstance(policy, str) else set(policy or ())
    if "no-referrer" in policies:
        yield Warning(
            "SECURE_REFERRER_POLICY is no-referrer: browsers then send `Origin: null` with POSTs of forms and no"
            " Referer, and Django refuses them with 403 over https.",
            hint='SECURE_REFERRER_POLICY = "same-origin", Django\'s default.',
            id="strangler.W020",
        )
    schemeless = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if "://" not in origin]
    if schemeless:
        yield Error(
            f"CSRF_TRUSTED_ORIGINS {', '.join(schemeless)}: an origin has a scheme.",
            hint="https://shop.example, as browsers send it in Origin.",
            id="strangler.E021",
        )


def _cookies() -> Iterator[CheckMessage]:
    for name, default in _DEFAULT_NAMES.items():
        if getattr(settings, name) == default:
            yield Warning(
                f"{name} is {default!r}, as in every Django project: an extracted Django service under the same host"
                " overwrites the cookie and logs users out.",
                hint=f'Give it a name of its own before the first service is extracted, such as "monolith_{default}".',
                id="strangler.W030" if name == "SESSION_COOKIE_NAME" else "strangler.W031",
            )
    if settings.SESSION_SAVE_EVERY_REQUEST:
        yield Warning(
            "SESSION_SAVE_EVERY_REQUEST writes every session with every request and sets a cookie on every response:"
            " no response can be cached, and each shadow copy differs.",
            hint="Set it to False; sessions are saved when they change.",
            id="strangler.W032",
        )


def _requests() -> Iterator[CheckMessage]:
    if settings.APPEND_SLASH and "django.middleware.common.CommonMiddleware" in settings.MIDDLEWARE:
        yield Warning(
            "APPEND_SLASH redirects a POST to a path without its slash as it does a GET, and clients then send a GET"
            " without the body. An extracted service that serves both paths differs.",
            hint="Give the gateway's routes paths with the slash; then add this id to SILENCED_SYSTEM_CHECKS.",
            id="strangler.W040",
        )
    if getattr(settings, "SITE_ID", None) is not None:
        yield Warning(
            "SITE_ID is fixed: mails and links name that site's domain, whichever host the client used.",
            hint="Set the domain in the Site's row to the public name, not to an internal one.",
            id="strangler.W041",
        )
    if settings.USE_X_FORWARDED_HOST:
        yield Warning(
            "USE_X_FORWARDED_HOST: whoever reaches the application directly chooses its host name.",
            hint="The gateway keeps Host, so False is right; else let only the gateway reach the application.",
            id="strangler.W042",
        )
