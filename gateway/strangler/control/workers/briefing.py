"""What every worker must know: sent to all workers when it changes, and to each new worker when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from strangler.control import messages
from strangler.control.workers.handle import WorkerHandle
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.pickle_stream import framed


class Briefing:
    """Sends to the workers that `recipients` returns, and keeps the newest of each kind of message for new workers."""

    def __init__(self, recipients: Callable[[], Iterable[WorkerHandle]]) -> None:
        self._recipients = recipients
        self._snapshot: Snapshot | None = None
        self._apply = b""
        self._keys: dict[str, messages.Keys] = {}
        self._down = messages.Down(frozenset())
        self._addresses: dict[str, messages.Addresses] = {}
        self._judge: messages.JudgeAt | None = None
        self._favour = messages.Favour(frozenset())
        self._drain: messages.Drain | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot; one must have been published."""
        assert self._snapshot is not None
        return self._snapshot

    def publish(self, snapshot: Snapshot, message: bytes | None = None) -> None:
        """Have every worker serve by `snapshot`; `message` is the framed `Apply`, where that exists already."""
        self._snapshot = snapshot
        # Framed once for all workers: a large snapshot takes a while.
        self._apply = message or framed(messages.Apply(snapshot))
        for worker in self._recipients():
            worker.send_framed(self._apply)

    def publish_keys(self, keys: messages.Keys) -> None:
        """Have every worker verify tokens with this key set."""
        self._keys[keys.provider] = keys
        self._send(keys)

    def forget_sessions(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Have every worker forget who these sessions belong to; a new worker remembers none."""
        self._send(messages.ForgetSessions(sessions, subjects))

    def publish_down(self, endpoints: frozenset[tuple[str, str]]) -> None:
        """Have every worker avoid these endpoints."""
        self._down = messages.Down(endpoints)
        self._send(self._down)

    def publish_judge(self, path: str) -> None:
        """Have every worker send its pairs to the judge at this socket."""
        self._judge = messages.JudgeAt(path)
        self._send(self._judge)

    def publish_favoured(self, routes: frozenset[str]) -> None:
        """Have every worker shadow these routes whatever the share."""
        if routes != self._favour.routes:
            self._favour = messages.Favour(routes)
            self._send(self._favour)

    def publish_addresses(self, upstream: str, endpoints: tuple[Endpoint, ...]) -> None:
        """Have every worker use these endpoints of `upstream`."""
        self._addresses[upstream] = messages.Addresses(upstream, endpoints)
        self._send(self._addresses[upstream])

    def drain(self, drain: messages.Drain) -> None:
        """Have every worker that starts from now on drain at once."""
        self._drain = drain

    def brief(self, worker: WorkerHandle) -> None:
        """Send a new worker all that the others know."""
        assert self._apply, "a snapshot is published before the first worker starts"
        for keys in self._keys.values():
            worker.send(keys)
        worker.send(self._down)
        for addresses in self._addresses.values():
            worker.send(addresses)
        worker.send_framed(self._apply)
        if self._judge is not None:
            worker.send(self._judge)
            worker.send(self._favour)
        if self._drain is not None:
            worker.send(self._drain)

    def _send(self, message: object) -> None:
        for worker in self._recipients():
            worker.send(message)
