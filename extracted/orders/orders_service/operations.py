"""Where a saga stands, and the key set that verifies this service's tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy.engine import Connection
from starlette.requests import Request

from orders_service.answer import Answer, not_found
from orders_service.authentication import Authentication
from orders_service.database import Database
from orders_service.event_store import Recorded, history, load
from orders_service.order import Order, timestamp
from orders_service.read_model import find
from orders_service.resource import Resource
from orders_service.saga import Saga
from orders_service.saga_store import find_saga
from orders_service.service_tokens import ServiceTokens


class Standing(NamedTuple):
    order: Order
    saga: Saga
    events: list[Recorded]


class OperationsApi:
    """For whoever wants to know why an order is not where it should be. Each user sees their own."""

    def __init__(self, authentication: Authentication, database: Database, tokens: ServiceTokens) -> None:
        self._authentication = authentication
        self._database = database
        self._tokens = tokens

    def resources(self) -> list[Resource]:
        return [
            Resource("/sagas/(?P<id>[1-9][0-9]{0,17}|[0-9a-z-]{20,64})", {"GET": self.show_saga}),
            Resource("/\\.well-known/jwks\\.json", {"GET": self.key_set}),
        ]

    async def show_saga(self, request: Request) -> Answer:
        """By the order's number, or by the saga's own id, which an order that was refused has alone."""
        user_id = await self._authentication.user(request)
        work = partial(standing, name=request.path_params["id"], user_id=user_id)
        found = await self._database.read(work)
        if found is None:
            raise not_found()
        return Answer(200, shown(found))

    async def key_set(self, request: Request) -> Answer:
        return Answer(200, self._tokens.jwks)


def standing(connection: Connection, name: str, user_id: int) -> Standing | None:
    saga_id = name
    if len(name) <= 18:
        numbered = find(connection, int(name), user_id)
        if numbered is None:
            return None
        saga_id = numbered.id
    order, saga = load(connection, saga_id), find_saga(connection, saga_id)
    if saga is None or order.user_id != user_id:
        return None
    return Standing(order, saga, history(connection, saga_id))


def shown(found: Standing) -> dict[str, object]:
    order, saga, events = found
    return {
        "id": saga.id,
        "order": order.number,
        "state": saga.state,
        "attempts": saga.attempts,
        "deadline": None if saga.deadline is None else timestamp(saga.deadline),
        "late": saga.is_late(datetime.now(UTC)),
        "last_error": saga.last_error,
        "reason": order.reason or None,
        "changed_at": timestamp(saga.changed_at),
        "events": [
            {"version": event.version, "type": event.type, "recorded_at": timestamp(event.recorded_at)}
            for event in events
        ],
    }
