"""The tables of the outbox and of what is gone elsewhere."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class OutboxMessage(models.Model):
    """A message that is sent once its transaction is committed, at least once, in order within a `key`."""

    id = models.BigAutoField(primary_key=True)
    message_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    topic = models.CharField(max_length=200)
    key = models.CharField(max_length=200, blank=True)
    payload = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(default=timezone.now, editable=False)
    error = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(fields=("sent_at", "next_attempt_at", "id"), name="strangler_outbox_due"),
            models.Index(fields=("key", "sent_at", "id"), name="strangler_outbox_key"),
        )

    def __str__(self) -> str:
        return f"{self.topic} {self.message_id}"


class Tombstone(models.Model):
    """A row of another service that is gone: `kind` is what it was, `identity` what both sides called it."""

    kind = models.CharField(max_length=64)
    identity = models.CharField(max_length=255)
    buried_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("kind", "identity"), name="strangler_tombstone_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}"
