"""Celery tasks that have moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from django_strangler.data.task_names import alias, moved


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("shop", broker="memory://", set_as_current=False)
    yield app
    app.close()


def waiting(app: Celery, queue: str) -> list[tuple[str, str, Any]]:
    """Name, id and arguments of the messages in `queue`."""
    found = []
    with app.connection_for_read() as connection:
        simple = connection.SimpleQueue(queue)
        while simple.qsize():
            message = simple.get(timeout=1)
            found.append((message.headers["task"], message.headers["id"], message.payload[0]))
            message.ack()
        simple.close()
    return found


def test_a_message_with_the_old_name_runs_the_renamed_task(app: Celery) -> None:
    @app.task(name="shop.billing.invoice")
    def invoice(order: int) -> str:
        return f"invoice of {order}"

    alias(app, "shop.orders.invoice", invoice)
    assert app.tasks["shop.orders.invoice"].apply((5,)).get() == "invoice of 5"


def test_an_alias_does_not_hide_a_task(app: Celery) -> None:
    @app.task(name="shop.one")
    def one() -> None: ...

    @app.task(name="shop.two")
    def two() -> None: ...

    with pytest.raises(ValueError, match="still defined"):
        alias(app, "shop.one", two)


@pytest.mark.parametrize("new_name", [None, "billing.invoice"])
def test_a_task_of_another_service_gets_calls_and_late_messages(app: Celery, new_name: str | None) -> None:
    invoice = moved(app, "shop.invoice", queue="billing", new_name=new_name)
    # What an old worker does with a message that waited in its queue.
    invoice.apply((5,), task_id="late-message")
    assert waiting(app, "billing") == [(new_name or "shop.invoice", "late-message", [5])]
    called = invoice.delay(6)
    assert waiting(app, "billing") == [(new_name or "shop.invoice", called.id, [6])]
    assert waiting(app, "celery") == []
