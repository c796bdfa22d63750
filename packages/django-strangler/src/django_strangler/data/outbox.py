"""A transactional outbox: a message is stored with the change that it reports, and sent after both are committed.

django-outbox-pattern needs Django 5 and speaks STOMP alone; django-celery-outbox sends Celery tasks alone and brings
Sentry's and Datadog's clients along.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import router, transaction

from django_strangler.data.models import OutboxMessage

PAYLOAD_BYTES = 262_144
"""A longer payload is refused: a message names what changed, and is no place for files."""


class OutsideTransaction(Exception):
    """`publish` was called without a transaction, so the message could be sent for a change that failed."""


def publish(topic: str, payload: Any, *, key: str = "") -> OutboxMessage:
    """Store a message in the transaction that is under way.

    Messages with the same `key`, such as the identity of what changed, are sent in the order of their storing; without
    a key in no order. Raises OutsideTransaction, and ValueError if the payload is too long.
    """
    alias = router.db_for_write(OutboxMessage)
    if not transaction.get_connection(alias).in_atomic_block:
        raise OutsideTransaction("publish() needs transaction.atomic(): change and message are committed together")
    # Stored as it will be sent: dates and decimals as texts.
    text = json.dumps(payload, cls=DjangoJSONEncoder)
    if len(text.encode()) > PAYLOAD_BYTES:
        raise ValueError(f"the payload of {topic} is longer than {PAYLOAD_BYTES} bytes")
    message: OutboxMessage = OutboxMessage.objects.using(alias).create(topic=topic, key=key, payload=json.loads(text))
    return message
