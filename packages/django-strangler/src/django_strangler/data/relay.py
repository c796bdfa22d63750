"""Sends what is in the outbox: at least once, in order within a key, by any number of relays at a time.

Only the oldest unsent message of a key is due, and a relay holds its row while it sends, so no other relay overtakes
it. A relay that dies after sending and before committing leaves the message unsent: receivers have to ignore a
`message_id` that they know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from django_strangler.data.models import OutboxMessage

FIRST_DELAY, LONGEST_DELAY = 1.0, 300.0
"""Seconds before a message that failed is sent again; they double with each failure."""

Send = Callable[[OutboxMessage], None]
"""Sends one message; raises where the receiver has not taken it."""

_log = logging.getLogger("django_strangler")


@dataclass
class Relayed:
    """What one batch did."""

    sent: int = 0
    failed: int = 0


def relay_batch(send: Send, limit: int = 100) -> Relayed:
    """Send at most `limit` messages that are due. A failure delays its message, and those after it with its key."""
    alias = router.db_for_write(OutboxMessage)
    relayed = Relayed()
    for _ in range(limit):
        with transaction.atomic(using=alias):
            message = _due(alias).first()
            if message is None:
                break
            _send(message, send, relayed)
            message.save()
    return relayed


def forget_sent(older_than: timedelta) -> int:
    """Delete messages that were sent before `older_than` ago; how many."""
    alias = router.db_for_write(OutboxMessage)
    count, _ = OutboxMessage.objects.using(alias).filter(sent_at__lt=timezone.now() - older_than).delete()
    return int(count)


def _due(alias: str) -> QuerySet[OutboxMessage]:
    messages = OutboxMessage.objects.using(alias)
    earlier = messages.filter(key=OuterRef("key"), sent_at=None, id__lt=OuterRef("id"))
    due = messages.filter(Q(key="") | ~Exists(earlier), sent_at=None, next_attempt_at__lte=timezone.now())
    skips = transaction.get_connection(alias).features.has_select_for_update_skip_locked
    locked: QuerySet[OutboxMessage] = due.order_by("id").select_for_update(skip_locked=skips)
    return locked


def _send(message: OutboxMessage, send: Send, relayed: Relayed) -> None:
    message.attempts += 1
    try:
        send(message)
    except Exception as error:
        # Whatever a receiver's client raises: the message stays, and the failure is in its row and in the log.
        relayed.failed += 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(message.attempts - 1, 20))
        message.next_attempt_at = timezone.now() + timedelta(seconds=delay)
        message.error = f"{type(error).__name__}: {error}"[:200]
        _log.warning("the message %s was not sent (attempt %d): %s", message, message.attempts, message.error)
    else:
        relayed.sent += 1
        message.sent_at = timezone.now()
        message.error = ""
