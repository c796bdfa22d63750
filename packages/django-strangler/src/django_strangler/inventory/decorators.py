"""Which decorators and mixins protect or cache a view: those that matter when it moves.

Decorators leave their traces in closures: Django's own modules tell which made a wrapper, the variables with what.
"""

from __future__ import annotations

import inspect
from typing import Any

from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin, UserPassesTestMixin

from django_strangler.inventory.views import bare, closure_of, wrappers_of

_LOGIN_MIDDLEWARE = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def decorators_of(view: Any) -> dict[str, Any]:
    """The decorators of `view` by name, with their values: permissions, seconds, or True."""
    found: dict[str, Any] = {}
    if getattr(view, "csrf_exempt", False):
        found["csrf_exempt"] = True
    for wrapper in wrappers_of(view):
        _note(found, wrapper)
    cls = bare(view)
    if inspect.isclass(cls):
        _note_class(found, cls)
    if _LOGIN_MIDDLEWARE in settings.MIDDLEWARE and getattr(view, "login_required", True):
        found.setdefault("login_required", True)
    return dict(sorted(found.items()))


def _note(found: dict[str, Any], wrapper: Any) -> None:
    """Add the decorator that made `wrapper`, if it is one of Django's."""
    module = getattr(wrapper, "__globals__", {}).get("__name__", "")
    closure = closure_of(wrapper)
    if module == "django.contrib.auth.decorators" and "test_func" in closure:
        _note_user_test(found, closure["test_func"])
    elif module == "django.views.decorators.cache":
        if "kwargs" in closure:
            found["cache_control"] = dict(closure["kwargs"])
        else:
            found["never_cache"] = True
    elif module == "django.utils.decorators" and hasattr(middleware := _middleware_of(closure), "page_timeout"):
        found["cache_page"] = middleware.page_timeout
    elif module == "django.db.transaction" or hasattr(wrapper, "_non_atomic_requests"):
        found["non_atomic_requests"] = True
    # method_decorator keeps the decorators and applies them when the method is called.
    for decorator in closure.get("decorators", ()) if module == "django.utils.decorators" else ():
        _note_applied(found, decorator)


def _middleware_of(closure: dict[str, Any]) -> Any:
    """The middleware that a decorator was made of; since Django 5.0 a function within the wrapper has it."""
    return closure.get("middleware") or closure_of(closure.get("_pre_process_request")).get("middleware")


def _note_applied(found: dict[str, Any], decorator: Any) -> None:
    def probe(request: Any) -> None:
        """A view to see what the decorator does to one."""

    for wrapper in wrappers_of(decorator(probe)):
        if wrapper is not probe:
            _note(found, wrapper)


def _note_user_test(found: dict[str, Any], test: Any) -> None:
    name = getattr(test, "__qualname__", "")
    if name.startswith("login_required"):
        found["login_required"] = True
    elif name.startswith("permission_required"):
        closure = closure_of(test)
        permissions = closure.get("perms", closure.get("perm", ()))
        found["permission_required"] = [permissions] if isinstance(permissions, str) else list(permissions)
    elif name.startswith("staff_member_required"):
        found["staff_member_required"] = True
    else:
        found["user_passes_test"] = f"{getattr(test, '__module__', '')}.{name}"


def _note_class(found: dict[str, Any], cls: type[Any]) -> None:
    for wrapper in wrappers_of(cls.__dict__.get("dispatch", None)):
        _note(found, wrapper)
    if issubclass(cls, LoginRequiredMixin):
        found["login_required"] = True
    if issubclass(cls, PermissionRequiredMixin):
        required = cls.permission_required
        found["permission_required"] = [required] if isinstance(required, str) else list(required or ())
    elif issubclass(cls, UserPassesTestMixin):
        found["user_passes_test"] = f"{cls.__module__}.{cls.__qualname__}.test_func"
