"""The saga's transitions, as a table: what each outcome of each step leads to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy.engine import Connection, Engine

from orders_service import saga as states
from orders_service.event_store import history
from orders_service.events import Item, OrderPlaced
from orders_service.saga import Deadlines, Done, Outcome, Refused, Saga, Unknown, wait_before
from orders_service.saga_store import (
    acquire,
    begin,
    due_sagas,
    end_lease,
    find_saga,
    give_up,
    request_payment,
    settle_step,
)
from orders_service.steps import meaning

HOUR = timedelta(hours=1)
DEADLINES = Deadlines(HOUR, HOUR, HOUR, HOUR)
PLACED = OrderPlaced(1, (Item(1, "BOO-1", "Atlas", 2, 1250),), datetime(2026, 1, 5, tzinfo=UTC))


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def after(connection: Connection, *outcomes: Outcome | None) -> Saga:
    """The saga after its steps had these outcomes. None: the step is given up."""
    saga = begin(connection, "a", PLACED, DEADLINES, timedelta())
    for outcome in outcomes:
        if saga.state == states.AWAITING_PAYMENT and outcome is not None:
            requested = request_payment(connection, "a", "card", DEADLINES, timedelta())
            assert requested is not None
            saga = requested
        if outcome is None:
            saga = give_up(connection, saga, "late", DEADLINES)
        else:
            saga = settle_step(connection, saga, outcome, DEADLINES)
    return saga


DONE, REFUSED, UNKNOWN = Done(), Refused("no"), Unknown("timeout")


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ((), states.RESERVING),
        ((UNKNOWN,), states.RESERVING),
        ((REFUSED,), states.CANCELLED),
        ((None,), states.RELEASING),
        ((None, DONE), states.CANCELLED),
        ((DONE,), states.AWAITING_PAYMENT),
        ((DONE, None), states.RELEASING),
        ((DONE, UNKNOWN), states.CHARGING),
        ((DONE, REFUSED), states.RELEASING),
        ((DONE, UNKNOWN, None), states.REFUNDING),
        ((DONE, UNKNOWN, None, UNKNOWN), states.REFUNDING),
        ((DONE, UNKNOWN, None, REFUSED), states.REFUNDING),
        ((DONE, UNKNOWN, None, DONE), states.RELEASING),
        ((DONE, UNKNOWN, None, DONE, DONE), states.CANCELLED),
        ((DONE, DONE), states.CONFIRMING),
        ((DONE, DONE, UNKNOWN), states.CONFIRMING),
        ((DONE, DONE, REFUSED), states.REFUNDING),
        ((DONE, DONE, DONE), states.COMPLETED),
    ],
)
def test_where_outcomes_lead(connection: Connection, outcomes: tuple[Outcome | None, ...], state: str) -> None:
    assert after(connection, *outcomes).state == state


def test_a_transition_from_a_state_that_was_left_changes_nothing(connection: Connection) -> None:
    """Two processes that have the same saga: the second one's outcome comes too late."""
    left = after(connection)
    settle_step(connection, left, DONE, DEADLINES)
    events = history(connection, "a")
    assert settle_step(connection, left, REFUSED, DEADLINES).state == states.AWAITING_PAYMENT
    assert give_up(connection, left, "late", DEADLINES).state == states.AWAITING_PAYMENT
    assert history(connection, "a") == events


def test_only_an_order_that_waits_for_it_is_paid(connection: Connection) -> None:
    after(connection, DONE, UNKNOWN)
    assert request_payment(connection, "a", "card", DEADLINES, timedelta()) is None


def test_a_saga_without_an_outcome_is_tried_later_and_later_with_its_error_kept(connection: Connection) -> None:
    saga = after(connection, UNKNOWN, Unknown("x" * 1000))
    assert (saga.attempts, saga.last_error) == (2, "x" * 300)
    assert due_sagas(connection, 10) == []
    waits = [wait_before(attempts) for attempts in range(20)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=0.25), timedelta(seconds=60))


def test_a_saga_is_one_process_at_a_time_until_its_lease_ends(connection: Connection) -> None:
    after(connection)
    assert due_sagas(connection, 10) == ["a"]
    assert [acquire(connection, "a", HOUR) for _ in range(2)] == [True, False]
    assert due_sagas(connection, 10) == []
    end_lease(connection, "a")
    assert acquire(connection, "a", -HOUR)
    assert due_sagas(connection, 10) == ["a"]


def test_a_saga_that_has_ended_is_never_due(connection: Connection) -> None:
    after(connection, REFUSED)
    saga = find_saga(connection, "a")
    assert saga is not None
    assert not saga.is_late(datetime.now(UTC) + 10 * HOUR)
    assert due_sagas(connection, 10) == []


@pytest.mark.parametrize(
    ("method", "status", "body", "outcome"),
    [
        ("PUT", 201, {"status": "charged"}, DONE),
        ("PUT", 200, {"status": "reserved"}, DONE),
        ("PUT", 202, {"status": "pending"}, Unknown("pending at the payment provider")),
        ("PUT", 200, {"status": "declined"}, Refused("payment_declined")),
        ("POST", 200, {"status": "declined"}, DONE),
        ("POST", 404, {"error": {"code": "not_found"}}, Refused("not_found")),
        ("PUT", 409, {"error": {"code": "out_of_stock", "fields": {"1": "x"}}}, Refused("out_of_stock", {"1": "x"})),
        ("PUT", 401, {"error": {"code": "invalid_token"}}, Unknown("/x: status 401")),
    ],
)
def test_what_responses_mean(method: str, status: int, body: dict[str, object], outcome: Outcome) -> None:
    response = httpx.Response(status, json=body, request=httpx.Request(method, "http://inventory/x"))
    assert meaning(response) == outcome
