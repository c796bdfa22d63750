"""Locks before what a transaction can't undo: mail, Celery, HTTP, caches, files and threads.

They are set before the first copy runs, on the classes of all these libraries that are installed, so that a process
that serves no copies pays nothing. What
has a harmless substitute gets it, so that the view goes on as for a client: a mail counts as sent, a task as queued, a
cache entry as stored. What has none fails as if the other side could not be reached.
"""

from __future__ import annotations

import concurrent.futures
import functools
import http.client
import smtplib
import sys
import threading
import uuid
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.files.storage import Storage
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from django_strangler.guard.guard import Guard, current_guard

_REASON = "blocked: a shadow copy reaches no other system"
_start = threading.Thread.start
_submit = concurrent.futures.ThreadPoolExecutor.submit
_setting = threading.RLock()
_done: set[str] = set()
_locked: set[tuple[Any, str]] = set()

Instead = Callable[..., Any]
"""What runs in place of a method: it gets the guard, then the method's own arguments."""


def lock(owner: Any, name: str, instead: Instead) -> None:
    """Let `instead` run in place of the method `name` of `owner` while a guard is active. Once for each method."""
    original = owner.__dict__.get(name)
    if original is None or (owner, name) in _locked:
        return
    _locked.add((owner, name))

    @functools.wraps(original)
    def locked(*args: Any, **kwargs: Any) -> Any:
        guard = current_guard()
        return original(*args, **kwargs) if guard is None else instead(guard, *args, **kwargs)

    setattr(owner, name, locked)


def lock_everything() -> None:
    """Set all locks, once in a process. Libraries that are installed are imported for it, which takes a second."""
    if "all" in _done:
        return
    # Another thread's copy waits until all are set.
    with _setting:
        _lock_everything()
        _done.add("all")


def _lock_everything() -> None:
    _lock_mail()
    _lock_caches()
    _lock_standard_library()
    lock(Storage, "save", _store_file)
    lock(Storage, "delete", _count_only("files"))
    for library, lock_it in (("celery", _lock_celery), ("urllib3", _lock_urllib3), ("requests", _lock_requests)):
        if find_spec(library) is not None:
            lock_it()
    if find_spec("httpx") is not None:
        _lock_httpx()


def _count_only(kind: str, result: Any = None) -> Instead:
    def instead(guard: Guard, *_: Any, **__: Any) -> Any:
        guard.blocked[kind] += 1
        return result

    return instead


def _lock_mail() -> None:
    lock(EmailMessage, "send", _count_only("mail", 1))
    # Mails that a connection sends without EmailMessage.send, as send_mass_mail does.
    backend = import_string(settings.EMAIL_BACKEND)
    for owner in backend.__mro__:
        lock(owner, "send_messages", _send_messages)


def _send_messages(guard: Guard, backend: Any, messages: Any) -> int:
    count = len(messages or ())
    guard.blocked["mail"] += count
    return count


def _lock_caches() -> None:
    for alias in caches:
        for owner in type(caches[alias]).__mro__:
            for name, result in (("set", None), ("touch", True), ("delete", True), ("clear", None)):
                lock(owner, name, _count_only("cache", result))
            lock(owner, "add", _added)
            lock(owner, "set_many", _count_only("cache", []))
            lock(owner, "delete_many", _count_only("cache"))
            lock(owner, "incr", _incremented)


def _added(guard: Guard, cache: Any, key: Any, *_: Any, version: Any = None, **__: Any) -> bool:
    """Whether `add` would have stored the entry."""
    guard.blocked["cache"] += 1
    return cache.get(key, version=version) is None


def _incremented(guard: Guard, cache: Any, key: Any, delta: int = 1, version: Any = None) -> Any:
    """The number that `incr` would have returned."""
    guard.blocked["cache"] += 1
    value = cache.get(key, version=version)
    if value is None:
        raise ValueError(f"Key '{key}' not found")
    return value + delta


def _store_file(guard: Guard, storage: Storage, name: str | None, content: Any, max_length: int | None = None) -> str:
    guard.blocked["files"] += 1
    return storage.get_available_name(name or content.name, max_length=max_length)


def _lock_standard_library() -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(_REASON)

    lock(http.client.HTTPConnection, "connect", _blocked("http", refuse))
    lock(smtplib.SMTP, "connect", _blocked("mail", refuse))
    lock(threading.Thread, "start", _no_thread)
    lock(concurrent.futures.ThreadPoolExecutor, "submit", _no_submit)
    lock(concurrent.futures.ProcessPoolExecutor, "submit", _no_submit)


def _no_submit(guard: Guard, pool: Any, *args: Any, **kwargs: Any) -> Any:
    """Refuse a call in another thread, which has connections of its own, unless asgiref runs an event loop in it."""
    if _caller().startswith("asgiref."):
        return _submit(pool, *args, **kwargs)
    raise guard.refuse("threads", "run a function in another thread: its connections are not rolled back")


def _no_thread(guard: Guard, thread: threading.Thread) -> None:
    """Refuse to start a thread, unless it is for a call that a pool has accepted."""
    if _caller() != "concurrent.futures.thread":
        raise guard.refuse("threads", "start a thread: its connections are not rolled back")
    _start(thread)


def _caller() -> str:
    """The module that called the locked method."""
    return str(sys._getframe(3).f_globals.get("__name__", ""))


def _blocked(kind: str, then: Instead) -> Instead:
    def instead(guard: Guard, *args: Any, **kwargs: Any) -> Any:
        guard.blocked[kind] += 1
        return then(*args, **kwargs)

    return instead


def _lock_celery() -> None:
    base, task, canvas = (import_module(f"celery.{name}") for name in ("app.base", "app.task", "canvas"))

    def queued(owner: Any, *_: Any, task_id: str | None = None, **__: Any) -> Any:
        """The result of a task that is queued and never runs."""
        app = getattr(owner, "app", None) or owner
        return app.AsyncResult(task_id or str(uuid.uuid4()))

    lock(task.Task, "apply_async", _blocked("celery", queued))
    lock(base.Celery, "send_task", _blocked("celery", queued))
    for name in ("Signature", "_chain", "_chord"):
        lock(getattr(canvas, name), "apply_async", _blocked("celery", queued))
    lock(
        canvas.group,
        "apply_async",
        _blocked("celery", lambda owner, *_, **__: owner.app.GroupResult(str(uuid.uuid4()))),
    )
    # The last one before the broker, for what publishes by itself.
    lock(import_module("kombu.messaging").Producer, "publish", _publish)


def _publish(guard: Guard, *_: Any, **__: Any) -> Any:
    raise guard.refuse("celery", "publish a message")


def _lock_urllib3() -> None:
    errors = import_module("urllib3.exceptions")

    def refuse(*_: Any, **__: Any) -> Any:
        raise errors.ProtocolError(_REASON)

    lock(import_module("urllib3.connectionpool").HTTPConnectionPool, "urlopen", _blocked("http", refuse))


def _lock_requests() -> None:
    requests = import_module("requests")

    def refuse(_: Any, request: Any, **__: Any) -> Any:
        raise requests.exceptions.ConnectionError(_REASON, request=request)

    lock(requests.Session, "send", _blocked("http", refuse))


def _lock_httpx() -> None:
    httpx = import_module("httpx")

    def refuse(_: Any, request: Any) -> Any:
        raise httpx.ConnectError(_REASON, request=request)

    lock(httpx.HTTPTransport, "handle_request", _blocked("http", refuse))
    # It raises before it returns something to wait for, which its caller meets at the same place.
    lock(httpx.AsyncHTTPTransport, "handle_async_request", _blocked("http", refuse))
