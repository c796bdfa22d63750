"""Conditional responses, redirects that name the whole URL, and an API without cookies."""

import hashlib
import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
_KEPT_ON_304 = ("Cache-Control", "Content-Location", "Date", "ETag", "Expires", "Vary")


def entity_tag(body: bytes) -> str:
    """The strong entity tag of a body: the same bytes have the same tag on every machine."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_listed(tag: str, if_none_match: str) -> bool:
    """Whether an If-None-Match value names `tag`, by the weak comparison of RFC 9110 section 8.8.3.2."""
    if if_none_match.strip() == "*":
        return True
    members = (_ENTITY_TAG.fullmatch(member.strip()) for member in if_none_match.split(","))
    return any(member is not None and member[1] == tag for member in members)
_WITHOUT_COOKIES = re.compile(r"/(?:api|\.well-known|healthz)(?:/|\Z)")


class ConditionalResponseMiddleware:
    """Tags pages, and answers 304 where the caller has the tagged response already.

    The API tags its responses itself, so that one without a tag stays without. A 304 has no
    Content-Length: it would have to be that of the 200, and CommonMiddleware would make it 0.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if request.method not in ("GET", "HEAD") or response.status_code != 200:
            return response
        if not response.has_header("ETag"):
            if not self._may_tag(response):
                return response
            response.headers["ETag"] = entity_tag(response.content)  # type: ignore[attr-defined]
        condition = request.headers.get("If-None-Match")
        if condition is None or not is_listed(response.headers["ETag"], condition):
            return response
        not_modified = HttpResponse(status=304)
        del not_modified.headers["Content-Type"]
        for name in _KEPT_ON_304:
            if response.has_header(name):
                not_modified.headers[name] = response.headers[name]
        not_modified.cookies = response.cookies
        return not_modified

    def _may_tag(self, response: HttpResponseBase) -> bool:
        return (
            not response.streaming
            and "no-store" not in response.headers.get("Cache-Control", "")
            and response.headers.get("Content-Type", "").startswith("text/html")
        )


class AbsoluteRedirectMiddleware:
    """Makes the Location of a redirect absolute, by the host and scheme that the client used.

    The shop's mobile clients of old don't resolve relative references.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if 300 <= response.status_code < 400 and response.has_header("Location"):
            response.headers["Location"] = request.build_absolute_uri(response.headers["Location"])
        return response


class ApiWithoutCookiesMiddleware:
    """Takes the cookies from API requests, so that the session and CSRF middlewares set none on the answer.

    They replace or delete a stale cookie wherever they see one; an API that authenticates by tokens has no
    business with either.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _WITHOUT_COOKIES.match(request.path_info):
            request.META.pop("HTTP_COOKIE", None)
        return self._get_response(request)
