"""The calls of one worker to the session endpoint of one provider.

Requests with the same cookie wait for one call. A worker makes a bounded number
of calls at a time and per second; further cookies wait for their turn, up to a
bound, so that made-up cookies cost the project no more than that. A request
waits for `timeout` at most, its turn included. After many failures a breaker
lets no call through for a while. A request whose session is not known after
that is refused where a caller is required, and anonymous elsewhere
(`exchange.authentication`).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from time import time
from typing import TYPE_CHECKING, Protocol

from strangler.auth.sessions import (
    NOT_KNOWN,
    CookieReader,
    NotKnown,
    RememberedSessions,
    SessionCookie,
    SessionRefused,
    call,
    caller_in,
)
from strangler.model.resilience import BreakerSettings
from strangler.proxy.sessions.call import SessionCall
from strangler.proxy.upstream.worker import UpstreamWorker

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Mapping

    from strangler.auth.identity import Identity
    from strangler.model.auth import Provider, SessionSource
    from strangler.proxy.upstream.upstream_pool import UpstreamPool

QUEUE = 1024
"""The maximum number of cookies that wait for their turn in one worker."""
BREAKER = BreakerSettings(minimum_requests=10)


class Waiting(Protocol):
    """A request that goes on when its session is known, or can't be."""

    @property
    def done(self) -> bool: ...

    @property
    def decided(self) -> bool: ...

    def start(self) -> None: ...


class SessionWorker(UpstreamWorker, Protocol):
    """What is needed of the worker."""

    @property
    def pools(self) -> Mapping[str, UpstreamPool]: ...


class _Asked:
    """A cookie that is asked about: the requests that wait, and the call once it is made."""

    __slots__ = ("call", "cookie", "nonce", "requests", "stale", "ticket", "timer")

    def __init__(self, cookie: SessionCookie, request: Waiting, timer: TimerHandle) -> None:
        self.cookie = cookie
        self.requests = [request]
        self.timer = timer
        self.call: SessionCall | None = None
        self.nonce = ""
        self.ticket = 0
        self.stale = False


class SessionCalls:
    """Asks for sessions and remembers the results; see the module."""

    def __init__(self, worker: SessionWorker, provider: Provider, source: SessionSource) -> None:
        self.provider = provider
        self.source = source
        self._worker = worker
        self._remembered = RememberedSessions(source, provider.remembered)
        self.cookie_in = CookieReader(source.cookie)
        self._asked: dict[bytes, _Asked] = {}
        self._queue: deque[bytes] = deque()
        self._active = 0
        self._allowance = float(source.calls_per_second)
        self._allowed_at = worker.loop.time()
        self._breaker = worker.new_breaker(BREAKER, source.name)
        self._result: tuple[bytes, Identity | None] | None = None

    def __repr__(self) -> str:
        return f"<SessionCalls of {self.provider.name}: {self._active} active, {len(self._queue)} queued>"

    def known(self, cookie: SessionCookie) -> Identity | NotKnown | None:
        """The caller of the session of `cookie`, None if it has no user, NOT_KNOWN if that has to be asked."""
        if self._result is not None and self._result[0] == cookie.key:
            # For the requests that waited for it, also where it must not be remembered.
            return self._result[1]
        return self._remembered.get(cookie.key, time())

    def ask(self, cookie: SessionCookie, request: Waiting) -> None:
        """Ask for the session of `cookie`; `request` starts again when the result is known, or there is none."""
        key = cookie.key
        asked = self._asked.get(key)
        if asked is not None:
            asked.requests.append(request)
            return
        if len(self._queue) >= QUEUE or not self._may_call():
            self._worker.counters.event("session_call_refused", self.source.upstream)
            request.start()
            return
        timer = self._worker.loop.call_later(self.source.timeout, self._too_late, key)
        self._asked[key] = _Asked(cookie, request, timer)
        if self._active < self.source.calls:
            self._call(key)
        else:
            self._queue.append(key)

    def forget(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Forget what is remembered, and what calls in flight find out, which may be older than this."""
        self._remembered.forget(sessions, subjects)
        for asked in self._asked.values():
            asked.stale = True

    def _may_call(self) -> bool:
        """Take one call from what the worker may make per second."""
        now = self._worker.loop.time()
        limit = float(self.source.calls_per_second)
        self._allowance = min(limit, self._allowance + (now - self._allowed_at) * limit)
        self._allowed_at = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _call(self, key: bytes) -> None:
        asked = self._asked[key]
        now = self._worker.loop.time()
        self._breaker.tick(now)
        pool = self._worker.pools.get(self.source.upstream)
        asked.ticket = self._breaker.enter(now)
        if pool is None or not asked.ticket:
            self._settle(key, NOT_KNOWN)
            return
        request, asked.nonce = call(self.source, asked.cookie.value, time())
        self._active += 1
        asked.call = SessionCall(request, pool.upstream.timeouts, partial(self._ended, key))
        self._worker.counters.event("session_call", self.source.upstream)
        asked.call.start(pool.next(None))

    def _too_late(self, key: bytes) -> None:
        """The time is over: end the call, or take the cookie from the queue."""
        call_under_way = self._asked[key].call
        if call_under_way is not None:
            call_under_way.give_up()
        else:
            self._queue.remove(key)
            self._settle(key, NOT_KNOWN)

    def _ended(self, key: bytes, status: int, body: bytes) -> None:
        asked, now = self._asked[key], self._worker.loop.time()
        self._active -= 1
        result: Identity | NotKnown | None = NOT_KNOWN
        try:
            result = caller_in(status, body, asked.nonce, self.provider, time())
        except SessionRefused as refused:
            self._breaker.failed(asked.ticket, now)
            reason = str(refused) if status else "no response"
            self._worker.notice("session call failed", self.source.upstream, reason=reason)
        else:
            self._breaker.answered(asked.ticket, now, 0.0, status)
            if not asked.stale:
                self._remembered.remember(key, result, time())
        self._settle(key, result)
        while self._queue and self._active < self.source.calls:
            self._call(self._queue.popleft())

    def _settle(self, key: bytes, result: Identity | NotKnown | None) -> None:
        """Let the requests that waited go on."""
        asked = self._asked.pop(key)
        asked.timer.cancel()
        self._result = None if isinstance(result, NotKnown) else (key, result)
        try:
            for request in asked.requests:
                if not (request.done or request.decided):
                    request.start()
        finally:
            self._result = None


def calls_by_provider(
    worker: SessionWorker, providers: Mapping[str, Provider], before: Mapping[str, SessionCalls]
) -> dict[str, SessionCalls]:
    """The calls to all session endpoints of `providers`; one that has not changed keeps the results `before`."""
    calls = {}
    for name, provider in providers.items():
        if provider.session is not None:
            kept = before.get(name)
            same = kept is not None and kept.provider == provider
            calls[name] = kept if same and kept else SessionCalls(worker, provider, provider.session)
    return calls
