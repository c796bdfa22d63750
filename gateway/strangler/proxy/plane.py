"""The data plane of one worker: the newest snapshot, its pools and verifiers, the clients it serves.

`apply`, `set_keys` and `set_down` update it; without updates it continues to
serve with its current state.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from resource import RLIMIT_NOFILE, getrlimit

from strangler.auth.keys import KeySet
from strangler.auth.verify import Verifier
from strangler.model.listener import AccessLog as AccessLogPlace
from strangler.model.resilience import BreakerSettings
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint, Upstream
from strangler.observe.access_log import AccessLogWriter
from strangler.observe.callers import CallerTally
from strangler.observe.counters import Counters
from strangler.observe.descriptors import any_left
from strangler.observe.worker_report import ConnectionCounts, Notice, UpstreamState, WorkerReport
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.client.listener import Listener
from strangler.proxy.exchange.failures import total_expired
from strangler.proxy.exchange.under_way import Mirroring, OpenTunnel, RequestUnderWay
from strangler.proxy.http.broken import ResetWhenSent
from strangler.proxy.http.headers import request_actions
from strangler.proxy.http.problem_responses import date_field
from strangler.proxy.prepared_snapshot import Derived, derive
from strangler.proxy.rate_limits.limiter import RateLimiter
from strangler.proxy.sessions.calls import SessionCalls, calls_by_provider
from strangler.proxy.upstream.upstream_pool import UpstreamPool
from strangler.resilience.breaker import Breaker, State
from strangler.resilience.stale import StaleAnswers
from strangler.routing.trust import TrustedProxies

PLAIN_PASS = "STRANGLER_PLAIN_PASS"
"""The environment variable by which tests have the parser read every message (`off`); see decision 0028."""
TICK = 0.1
REFETCH_DEADLINE = 3.0
BACKLOG = 4096
DESCRIPTORS_REPORTED = 5.0
"""Minimum seconds between two reports that no file descriptor is left."""
LAST_WORDS = 1.5
"""Seconds that a connection closed by a drain may take to send its pending data."""

_BREAKER_EVENTS = {
    State.OPEN: "breaker opened",
    State.HALF_OPEN: "breaker lets probes through",
    State.CLOSED: "breaker closed",
}


def random_digits() -> Iterator[bytes]:
    """Yield 48 random hexadecimal digits at a time: a trace id and a span id (W3C Trace Context)."""
    while True:
        # In blocks, because a call to the system's generator costs more than the bytes themselves.
        digits = random.randbytes(24 * 64).hex().encode()
        for start in range(0, len(digits), 48):
            yield digits[start : start + 48]


class DataPlane:
    """Serves clients on the given sockets.

    `ask_refetch` is called with a provider's name when a token names a key that
    is not in its set; the result arrives through `set_keys`. `tally` is the
    descriptor of the table of rate limits that all workers share, if there are
    several.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        keys: Mapping[str, KeySet | None],
        ask_refetch: Callable[[str], None],
        tally: int | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.turned_away = 0
        self.takes_plain = os.environ.get(PLAIN_PASS) != "off"
        self.now = self.loop.time()
        self.timestamp = ""
        self.date_line = b""
        self.clients: set[ClientConnection] = set()
        self.tunnels: set[OpenTunnel] = set()
        self.breaking: set[ResetWhenSent] = set()
        self.addresses: dict[str, int] = {}
        self.listener = Listener(self)
        self.counters = Counters()
        self.callers = CallerTally()
        self.down: frozenset[tuple[str, str]] = frozenset()
        self.draining = False
        self.accepting = True
        self.refetch_deadline = REFETCH_DEADLINE
        self.generation = 0
        self.drawn = random_digits()
        self.pools: dict[str, UpstreamPool] = {}
        self.side_breakers: dict[tuple[str, str], Breaker] = {}
        self.stale_answers: dict[str, StaleAnswers] = {}
        self._any_total = False
        self._descriptors_reported = -DESCRIPTORS_REPORTED
        self.verifiers: dict[str, Verifier] = {}
        self.sessions: dict[str, SessionCalls] = {}
        self.access_log: AccessLogWriter | None = None
        self._dropped_lines = 0
        self.mirror: Mirroring | None = None
        self.rate_limiter = RateLimiter(self, tally)
        self._addresses: dict[str, tuple[Endpoint, ...]] = {}
        self._keys: dict[str, KeySet | None] = dict(keys)
        self._ask_refetch = ask_refetch
        self._refetch_after: dict[str, float] = {}
        self._wanting_keys: dict[str, list[RequestUnderWay]] = {}
        self._asked_until: dict[str, float] = {}
        self._servers: list[asyncio.Server] = []
        self._drained: asyncio.Event = asyncio.Event()
        self._ticker: asyncio.TimerHandle | None = None
        self.apply(snapshot)
        self._tick()

    # Updates from the control process

    def apply(self, snapshot: Snapshot, derived: Derived | None = None) -> None:
        """Serve by `snapshot` from the next request on; active exchanges keep the snapshot that they began with.

        `derived` is what was computed from it, if that was done in advance.
        """
        derived = derived or derive(snapshot)
        self.listener.apply(snapshot.tls)
        self._open_access_log(snapshot.access_log)
        self.snapshot = snapshot
        self.generation += 1
        # Active exchanges may still use one of the previous snapshot.
        self._any_total = self._any_total or derived.any_total
        self._apply_upstreams(snapshot, derived)
        self.verifiers = {
            name: Verifier(provider, self._keys.get(name))
            for name, provider in snapshot.providers.items()
            if provider.session is None
        }
        self.sessions = calls_by_provider(self, snapshot.providers, self.sessions)
        self.trusted_proxies = TrustedProxies(snapshot.trusted_proxies, snapshot.trusted_header)
        self.request_actions = request_actions(snapshot.pass_headers)
        self.rate_limiter.apply(snapshot.redis if derived.rate_limited else None)
        self.callers.keep({name for name, one in snapshot.migrations.items() if one.counting is not None})
        if self.mirror is not None:
            self.mirror.apply(snapshot)

    def forget_sessions(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Forget who sessions belong to, by digests of their cookies and by subjects."""
        for calls in self.sessions.values():
            calls.forget(sessions, subjects)

    def set_keys(self, provider: str, keys: KeySet | None, refetch_after: float) -> None:
        """Set the newest key set of `provider`; a newer one may be requested after `refetch_after` seconds."""
        self._refetch_after[provider] = self.loop.time() + refetch_after
        known = self._keys.get(provider)
        if keys is not None and (known is None or known.digest != keys.digest):
            self._keys[provider] = keys
            self.generation += 1
            if provider in self.snapshot.providers:
                self.verifiers[provider] = Verifier(self.snapshot.providers[provider], keys)
        self._asked_until.pop(provider, None)
        for exchange in self._wanting_keys.pop(provider, []):
            if not (exchange.done or exchange.decided):
                exchange.start()

    def set_down(self, endpoints: frozenset[tuple[str, str]]) -> None:
        """Set the endpoints, by upstream and URL, that active health checks found down."""
        self.down = endpoints
        for pool in self._every_pool():
            pool.refresh()

    def set_addresses(self, upstream: str, endpoints: tuple[Endpoint, ...]) -> None:
        """Set the current addresses of the names of an upstream's endpoints; empty if they are not known."""
        self._addresses[upstream] = endpoints
        for pool in self._every_pool():
            if pool.upstream.name == upstream:
                pool.set_endpoints(self.endpoints_of(pool.upstream))

    def endpoints_of(self, upstream: Upstream) -> tuple[Endpoint, ...]:
        """Return the endpoints of `upstream` with the addresses known so far."""
        resolved = self._addresses.get(upstream.name) if upstream.resolve is not None else None
        return resolved or upstream.endpoints

    def _every_pool(self) -> list[UpstreamPool]:
        """Return all pools, including those of copies."""
        return [*self.pools.values(), *(self.mirror.upstreams() if self.mirror is not None else ())]

    def _apply_upstreams(self, snapshot: Snapshot, derived: Derived) -> None:
        """Set up pools, breakers and stored responses by `snapshot`; those with unchanged settings keep their state."""
        before = self.pools
        self.pools = {}
        for name, upstream in snapshot.upstreams.items():
            known = before.pop(name, None)
            if known is None or known.upstream != upstream:
                known = UpstreamPool(self, upstream, self.endpoints_of(upstream), known)
            self.pools[name] = known
        for gone in before.values():
            for endpoint in gone.endpoints:
                endpoint.retire()
        breakers = self.side_breakers
        self.side_breakers = {}
        guarding = {name: [pool.breaker] if pool.breaker is not None else [] for name, pool in self.pools.items()}
        for migration in snapshot.migrations.values():
            if migration.breaker is None:
                continue
            for side, name in (("legacy", migration.legacy), ("extracted", migration.extracted)):
                kept = breakers.get((migration.name, side))
                if kept is None or kept.settings != migration.breaker:
                    kept = self.new_breaker(migration.breaker, f"{migration.name} ({side})")
                self.side_breakers[migration.name, side] = kept
                guarding[name].append(kept)
        for name, guards in guarding.items():
            self.pools[name].set_breakers(guards)
        answers = self.stale_answers
        self.stale_answers = {
            name: kept_answers
            if (kept_answers := answers.get(name)) and kept_answers.settings == settings
            else StaleAnswers(settings)
            for name, settings in derived.stale.items()
        }

    def new_breaker(self, settings: BreakerSettings, upstream: str) -> Breaker:
        """Return a breaker whose changes are logged and counted under the name of `upstream`."""

        def changed(state: State) -> None:
            self.notice(_BREAKER_EVENTS[state], upstream)
            for pool in self.pools.values():
                pool.breaker_changed()

        return Breaker(settings, changed)

    def notice(self, event: str, upstream: str, endpoint: str = "", **fields: str | int) -> None:
        """Count and log an event of an upstream."""
        self.counters.event(event.replace(" ", "_"), upstream)
        told: dict[str, str | int] = {"upstream": upstream, **({"endpoint": endpoint} if endpoint else {}), **fields}
        self.counters.notice(Notice(event, told))

    def out_of_descriptors(self, doing: str, **fields: str | int) -> None:
        """Count and report that no file descriptor is left for `doing`, and close idle connections.

        That is a problem of this machine, so it does not count against upstreams.
        """
        self.counters.event("out_of_descriptors", doing)
        if self.now < self._descriptors_reported + DESCRIPTORS_REPORTED:
            return
        self._descriptors_reported = self.now
        clients = len(self.clients) + len(self.tunnels)
        upstream = sum(endpoint.open for pool in self._every_pool() for endpoint in pool.endpoints)
        soft, _ = getrlimit(RLIMIT_NOFILE)
        told: dict[str, str | int] = {"limit": soft, "client_connections": clients, "upstream_connections": upstream}
        self.counters.notice(Notice("no file descriptors left", {"doing": doing, **told, **fields}))
        for pool in self._every_pool():
            for endpoint in pool.endpoints:
                endpoint.close_idle()

    # Called by exchanges

    def may_refetch(self, provider: str) -> bool:
        """Return whether a newer key set of `provider` may be requested now."""
        return self.loop.time() >= self._refetch_after.get(provider, 0.0)

    def refetch(self, provider: str, exchange: RequestUnderWay) -> None:
        """Restart `exchange` when a newer key set of `provider` arrives; waiting exchanges share one fetch."""
        waiting = self._wanting_keys.setdefault(provider, [])
        waiting.append(exchange)
        if self.now >= self._asked_until.get(provider, 0.0):
            # The first, or the result is overdue and may never arrive, for example if a reload replaced the fetcher.
            self._wanting_keys[provider] = [one for one in waiting if not (one.done or one.decided)]
            self._asked_until[provider] = self.now + self.refetch_deadline
            self._ask_refetch(provider)

    def new_request_id(self) -> bytes:
        """Return an id for a request that arrived without one: 32 hexadecimal digits."""
        return next(self.drawn)[:32]

    def client_closed(self) -> None:
        """Remove a client's lost connection; this may complete a drain."""
        if not (self.accepting or self.clients or self.tunnels or self.listener.handshakes):
            self._drained.set()

    # Start and stop

    async def serve(self, listening: socket.socket) -> None:
        """Accept connections from `listening` until drained."""
        self._servers.append(await self.loop.create_server(self.listener.accept, sock=listening, backlog=BACKLOG))

    async def drain(self, deadline: float, delay: float = 0.0) -> None:
        """Accept for `delay` more seconds, then finish active requests; abort the rest after `deadline` more.

        Every response from now on announces that its connection closes. An idle
        connection stays open briefly, because one more request may already be in
        flight. Tunnels may continue until the end, and their pending data is
        still sent. An aborted request gets an error response if possible, and the
        log names the gateway as the cause.
        """
        self.draining = True
        await asyncio.sleep(delay)
        self.accepting = False
        for server in self._servers:
            server.close()
        for client in list(self.clients):
            client.drain()
        self.client_closed()
        try:
            async with asyncio.timeout(deadline):
                await self._drained.wait()
        except TimeoutError:
            self.listener.close()
            for client in list(self.clients):
                client.end()
            for tunnel in list(self.tunnels):
                tunnel.go_away("drained")
            for broken in list(self.breaking):
                broken.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._drained.wait()
            for client in list(self.clients):
                client.transport.abort()

    def close(self) -> None:
        """Stop the ticker and flush the access log."""
        self.rate_limiter.close()
        if self._ticker is not None:
            self._ticker.cancel()
        if self.access_log is not None:
            self.access_log.close()

    def report(self) -> WorkerReport:
        """Return the figures since the last report."""
        if self.access_log is not None:
            self._count_dropped_lines(self.access_log)
        report = self.counters.take()
        report.callers = self.callers.take()
        report.client_connections = len(self.clients) + len(self.tunnels)
        report.tunnels = len(self.tunnels)
        report.redis = self.rate_limiter.redis_state()
        for name, pool in self.pools.items():
            for endpoint in pool.endpoints:
                report.upstream_connections[endpoint.endpoint.url] = ConnectionCounts(endpoint.open, len(endpoint.idle))
            breaker, limit = pool.breaker, pool.limit
            report.upstreams[name] = UpstreamState(
                breaker=str(breaker.state) if breaker is not None else "",
                opened=breaker.opened if breaker is not None else 0,
                ejected=tuple(one.endpoint.url for one in pool.endpoints if one.record.ejected),
                running=limit.running if limit is not None else 0,
                waiting=limit.waiting if limit is not None else 0,
            )
        for (migration, side), breaker in self.side_breakers.items():
            report.upstreams[f"{migration} ({side})"] = UpstreamState(str(breaker.state), breaker.opened)
        return report

    def reopen_access_log(self) -> None:
        """Reopen the access log, whose file may have been renamed; on OSError the old file stays in use."""
        if self.access_log is not None:
            self.access_log.reopen()

    def _open_access_log(self, wanted: AccessLogPlace) -> None:
        before = self.access_log
        if before is not None and wanted.enabled and before.path == wanted.path:
            return
        self.access_log = AccessLogWriter(wanted.path) if wanted.enabled else None
        if before is not None:
            before.close()
            self._count_dropped_lines(before)
            self._dropped_lines = 0

    def _count_dropped_lines(self, log: AccessLogWriter) -> None:
        if log.dropped > self._dropped_lines:
            self.counters.event("dropped_log_lines", times=log.dropped - self._dropped_lines)
            self._dropped_lines = log.dropped

    def _end_what_is_over(self, now: float) -> None:
        """Enforce the deadlines of whole exchanges."""
        exchanges = [client.exchange for client in self.clients if client.exchange is not None]
        for exchange in exchanges:
            if exchange.ends <= now:
                total_expired(exchange)

    def _tick(self) -> None:
        """Run the worker's only timer: deadlines are accurate to one tick."""
        # Before anything that may fail: the loop reports exceptions, and without a timer no deadline would be kept.
        self._ticker = self.loop.call_later(TICK, self._tick)
        now = self.now = self.loop.time()
        self.timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.date_line = date_field() + b"\r\n"
        for client in [client for client in self.clients if client.deadline <= now]:
            client.expired()
        for tunnel in [tunnel for tunnel in self.tunnels if tunnel.deadline <= now]:
            tunnel.expired()
        for broken in list(self.breaking):
            broken.tick(now)
        self.listener.expire(now)
        if not any_left():
            # In this state the event loop closes new connections without calling any protocol.
            self.out_of_descriptors("accept")
        if self._any_total:
            self._end_what_is_over(now)
        for pool in self.pools.values():
            pool.tick(now)
            for endpoint in pool.endpoints:
                endpoint.expire(now)
        if self.mirror is not None:
            self.mirror.tick(now)
        if self.access_log is not None:
            self.access_log.flush()
