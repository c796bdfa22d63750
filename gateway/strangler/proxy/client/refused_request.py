"""The response to input that never became a request, and its line in the access log."""

from __future__ import annotations

from typing import NamedTuple

from strangler.observe.access_log import RefusedRequest
from strangler.proxy.client.http2 import HTTP2_REFUSED, goaway
from strangler.proxy.client.worker import Worker
from strangler.proxy.exchange.request_head import RequestHead
from strangler.proxy.http.problem_responses import capabilities, problem
from strangler.routing.decide import Refusal


class Attempted(NamedTuple):
    """What is known of the request: `target` and `method` as far as they were read; `head` if it has begun."""

    method: bytes
    target: bytes
    head: RequestHead | None
    begun: float


def refuse_request(worker: Worker, peer: str, refusal: Refusal, attempted: Attempted) -> bytes:
    """Count and log the request that `refusal` ends, and give the whole response; the connection closes behind it."""
    head = attempted.head
    request_id = (head.request_id if head is not None else None) or worker.new_request_id()
    worker.counters.request(("", "", "", refusal.status), 0.0, 0, "")
    worker.counters.event("refused_requests", str(refusal.status))
    _log(worker, peer, refusal, request_id, attempted)
    if refusal is HTTP2_REFUSED:
        return goaway()
    if refusal.status == 200:
        return capabilities(request_id)
    return problem(
        refusal,
        request_id,
        close=True,
        head_only=attempted.method == b"HEAD",
        retry_after=1 if refusal.status in (429, 503) else None,
    )


def _log(worker: Worker, peer: str, refusal: Refusal, request_id: bytes, attempted: Attempted) -> None:
    log = worker.access_log
    if log is None:
        return
    head = attempted.head
    method = "" if head is None else attempted.method.decode("latin-1")
    path = attempted.target.partition(b"?")[0][: worker.snapshot.limits.target_bytes].decode("latin-1")
    client, host = (peer, "") if head is None else (head.client or peer, head.host or "")
    seconds = 0.0 if head is None else worker.loop.time() - attempted.begun
    refused = RefusedRequest(
        worker.timestamp, request_id, method, path, refusal.status, seconds, client=client, host=host
    )
    log.write(refused.line())
