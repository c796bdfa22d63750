"""What is known of a view: its name, its app, its methods, and what REST framework knows of it."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from django.apps import apps

METHODS_ATTRIBUTE = "strangler_methods"
"""A view with a dispatch of its own lists its methods in an attribute of this name."""


def bare(view: Any) -> Any:
    """The function or class of `view`, without decorators."""
    while isinstance(view, partial):
        view = view.func
    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return cls if cls is not None else inspect.unwrap(view)


def name_of(view: Any) -> str:
    """The dotted name of the view."""
    found = bare(view)
    if not hasattr(found, "__qualname__"):
        found = type(found)
    return f"{found.__module__}.{found.__qualname__}"


def app_of(view: Any) -> str:
    """The label of the app that contains the view; the first part of its module where it is in none."""
    module = getattr(bare(view), "__module__", "") or ""
    config = apps.get_containing_app_config(module)
    return config.label if config is not None else module.partition(".")[0]


def methods_of(view: Any) -> list[str] | None:
    """The methods that the view takes, without OPTIONS; None where any, or not known."""
    stated = getattr(view, METHODS_ATTRIBUTE, None)
    if stated is not None:
        return sorted(stated)
    actions = getattr(view, "actions", None)
    if actions:
        return _sorted(actions)
    found = bare(view)
    if inspect.isclass(found):
        return _sorted(name for name in getattr(found, "http_method_names", ()) if hasattr(found, name))
    for wrapper in wrappers_of(view):
        allowed = closure_of(wrapper).get("request_method_list")
        if allowed is not None:
            return _sorted(allowed)
    return None


def _sorted(methods: Any) -> list[str]:
    names = {name.upper() for name in methods} - {"OPTIONS", "TRACE"}
    return sorted(names | {"HEAD"} if "GET" in names else names)


def rest_framework_of(view: Any) -> dict[str, Any]:
    """Class, actions, authentication and permissions of a view of Django REST framework; empty for others."""
    cls = getattr(view, "cls", None)
    if cls is None or not hasattr(cls, "permission_classes"):
        return {}
    known = {
        # REST framework adds `head` with the first request.
        "actions": {name: to for name, to in sorted((getattr(view, "actions", None) or {}).items()) if name != "head"},
        "basename": getattr(view, "initkwargs", {}).get("basename", ""),
        "authentication": [one.__name__ for one in cls.authentication_classes],
        "permissions": [getattr(one, "__name__", repr(one)) for one in cls.permission_classes],
    }
    return {name: value for name, value in known.items() if value}


def wrappers_of(view: Any) -> list[Any]:
    """The view and what its decorators wrap, the outermost first."""
    found = [view]
    while hasattr(found[-1], "__wrapped__") and len(found) < 100:
        found.append(found[-1].__wrapped__)
    return found


def closure_of(function: Any) -> dict[str, Any]:
    """The variables that a function closes over, by name."""
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is None or cells is None:
        return {}
    return {name: cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True) if _is_set(cell)}


def _is_set(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
