"""From a path to the function that answers a method on it."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from shop.api.responses import ApiError

Handler = Callable[..., HttpResponse]


def api_path(pattern: str, name: str, **handlers: Handler) -> URLPattern:
    """A URL pattern whose methods are keyword arguments: `GET=show, POST=add`.

    GET brings HEAD with it. API routes authenticate by bearer token, never by cookie, so they need no
    CSRF token. `{id}` stands for an id.
    """
    allowed = [method for get in handlers for method in ((get, "HEAD") if get == "GET" else (get,))]

    def view(request: HttpRequest, **arguments: str) -> HttpResponse:
        method = "GET" if request.method == "HEAD" else request.method or ""
        handler = handlers.get(method)
        try:
            if handler is None:
                raise ApiError("method_not_allowed", headers={"Allow": ", ".join(allowed)})
            return handler(request, **{key: int(value) for key, value in arguments.items()})
        except ApiError as error:
            return error.response()

    # For the inventory: the functions stand behind one view, which knows their methods.
    wraps(next(iter(handlers.values())))(view)
    view.strangler_methods = allowed  # type: ignore[attr-defined]
    # \Z and not $, which would also match before a newline at the end.
    regex = pattern.replace(".", r"\.").replace("{id}", "(?P<id>[1-9][0-9]{0,17})")
    return re_path(rf"^{regex}\Z", csrf_exempt(view), name=name)


@csrf_exempt
def no_such_route(request: HttpRequest) -> HttpResponse:
    """The answer to every unknown path of the API."""
    return ApiError("not_found").response()
