"""Messages are stored with their change and sent after it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from django_strangler.data import relay
from django_strangler.data.models import OutboxMessage
from django_strangler.data.outbox import PAYLOAD_BYTES, OutsideTransaction, publish
from tests.settings import SHARED
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

SENT: list[tuple[str, object]] = []


def send(message: OutboxMessage) -> None:
    """Take a message, as a broker's client does; those of the topic `down` fail."""
    if message.topic == "down":
        raise ConnectionError("no broker")
    SENT.append((message.key, message.payload))


@pytest.fixture(autouse=True)
def _empty() -> None:
    SENT.clear()


def test_a_message_is_stored_with_its_change_or_not_at_all() -> None:
    def order_that_fails() -> None:
        with transaction.atomic():
            Order.objects.create(customer="alice", sku="LAMP-1")
            publish("orders", {"sku": "LAMP-1"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        order_that_fails()
    assert (Order.objects.count(), OutboxMessage.objects.count()) == (0, 0)
    with transaction.atomic():
        publish("orders", {"total": Decimal("1.50"), "at": timezone.now()})
    assert OutboxMessage.objects.get().payload["total"] == "1.50"


def test_a_message_outside_of_a_transaction_is_refused() -> None:
    with pytest.raises(OutsideTransaction):
        publish("orders", {})


def test_a_payload_that_is_too_long_is_refused() -> None:
    with transaction.atomic(), pytest.raises(ValueError, match="longer than"):
        publish("orders", "x" * PAYLOAD_BYTES)


def test_messages_are_sent_in_order_and_once() -> None:
    with transaction.atomic():
        for number in range(5):
            publish("orders", number, key="alice")
    assert relay.relay_batch(send) == relay.Relayed(sent=5)
    assert relay.relay_batch(send) == relay.Relayed()
    assert [payload for _, payload in SENT] == [0, 1, 2, 3, 4]


def test_a_failure_delays_those_of_its_key_and_no_others(caplog: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        publish("down", 1, key="alice")
        publish("orders", 2, key="alice")
        publish("orders", 3, key="bob")
        publish("orders", 4)
    assert relay.relay_batch(send) == relay.Relayed(sent=2, failed=1)
    assert SENT == [("bob", 3), ("", 4)]
    failed = OutboxMessage.objects.get(topic="down")
    assert (failed.attempts, failed.error) == (1, "ConnectionError: no broker")
    assert failed.next_attempt_at > timezone.now()
    OutboxMessage.objects.update(topic="orders", next_attempt_at=timezone.now())
    assert relay.relay_batch(send) == relay.Relayed(sent=2)
    assert SENT[2:] == [("alice", 1), ("alice", 2)]


def test_the_command_sends_what_is_due_and_forgets_what_is_old() -> None:
    with transaction.atomic():
        old = publish("orders", "old")
        publish("orders", "new")
    OutboxMessage.objects.filter(pk=old.pk).update(sent_at=timezone.now() - timedelta(days=8))
    with pytest.raises(CommandError, match="OUTBOX"):
        call_command("strangler_outbox", once=True)
    with override_settings(STRANGLER={"SECRETS": [SHARED], "OUTBOX": f"{__name__}.send"}):
        call_command("strangler_outbox", once=True)
    assert SENT == [("", "new")]
    assert OutboxMessage.objects.get().payload == "new"
