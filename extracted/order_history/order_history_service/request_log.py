"""Structured logs: JSON lines on standard output, one for each request.

Whatever is logged while a request is served carries its request id and, if the caller sent a W3C
`traceparent`, its trace.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import uuid
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.tracebacks import ExceptionDictTransformer

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")

# Asked every few seconds, forever, by whoever watches the service.
QUIET_PATHS = frozenset({"/healthz", "/readyz"})

log = structlog.get_logger(__name__)


def configure_logging(level: str, service: str) -> None:
    """Send everything that is logged, the servers' own lines too, to standard output as JSON lines."""

    def name_service(logger: object, method: str, event: structlog.typing.EventDict) -> Any:
        event["service"] = service
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_service,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Without local variables: there are tokens among them.
                structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # They say at level info what is of interest only when they are debugged.
    for name in ("httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


class RequestLog:
    """Middleware that gives each request its context and, when it is over, its line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status, size = 0, 0

        async def send_noting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars():
            structlog.contextvars.bind_contextvars(**request_context(Headers(scope=scope)))
            try:
                await self._app(scope, receive, send_noting)
            finally:
                note = log.debug if scope["path"] in QUIET_PATHS else log.info
                note(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    query=scope["query_string"].decode("latin-1"),
                    status=status,
                    bytes=size,
                    ms=round((time.perf_counter() - began) * 1000, 2),
                    client=scope["client"][0] if scope.get("client") else None,
                )


def request_context(headers: Headers) -> dict[str, str]:
    """The request's id, made up if the caller sent no usable one, and its trace if there is one."""
    request_id = headers.get("x-request-id", "")
    if not REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    context = {"request_id": request_id}
    # https://www.w3.org/TR/trace-context/: version ff and ids of zeros are invalid; only a version
    # after 00 may have more fields.
    trace = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    if trace and trace[1] != "ff" and (trace[4] is None or trace[1] != "00"):
        trace_id, parent_id = trace[2], trace[3]
        if trace_id.strip("0") and parent_id.strip("0"):
            context |= {"trace_id": trace_id, "parent_id": parent_id}
    return context
