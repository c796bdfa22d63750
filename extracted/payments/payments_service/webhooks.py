"""What the provider reports by itself, verified and applied once.

The header `Provider-Signature: t=SECONDS,v1=HEX` has HMAC-SHA256 of `SECONDS.BODY` under a secret that both know. The
time is part of what is signed, so that a recorded webhook can't be sent again later.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.engine import Connection
from starlette.requests import Request

from payments_service import bug
from payments_service.answer import Answer, ApiError, error, invalid
from payments_service.body import parse_object, read_body
from payments_service.database import Database
from payments_service.resource import Resource
from payments_service.store import confirm_charge, confirm_refund, decline_charge, find_charge, first_time

TOLERANCE = 300
"""Seconds that the signed time may differ from this machine's."""

SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """`id` is the same each time the provider sends it; `key` is the charge's."""

    id: str
    type: str
    key: str
    provider_id: str


class WebhookApi:
    """`secrets` may be two while one replaces the other."""

    def __init__(self, database: Database, secrets: Sequence[str], deliberate_bug: str = "") -> None:
        self._database = database
        self._secrets = [secret.encode() for secret in secrets]
        self._bug = deliberate_bug

    def resources(self) -> list[Resource]:
        return [Resource("/webhooks/provider", {"POST": self.receive})]

    async def receive(self, request: Request) -> Answer:
        body = await read_body(request)
        if not self._is_signed(request.headers.get("provider-signature", ""), body) and self._bug != bug.UNSIGNED:
            raise invalid_signature()
        webhook = read_webhook(body)
        new = await self._database.write(partial(apply, webhook=webhook))
        log.info("webhook received", id=webhook.id, type=webhook.type, key=webhook.key, new=new)
        return Answer(200, {"received": True})

    def _is_signed(self, header: str, body: bytes) -> bool:
        found = SIGNATURE.fullmatch(header)
        if found is None or abs(time.time() - int(found[1])) > TOLERANCE:
            return False
        return any(hmac.compare_digest(sign(secret, found[1], body), found[2]) for secret in self._secrets)


def sign(secret: bytes, seconds: str, body: bytes) -> str:
    return hmac.new(secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()


def read_webhook(body: bytes) -> Webhook:
    """The webhook in a request's body; raises the `ApiError` for anything else."""
    values = parse_object(body)
    texts = [values.get(name) for name in ("id", "type", "reference", "charge")]
    if not all(isinstance(text, str) and 0 < len(text) <= 128 for text in texts):
        raise invalid(dict.fromkeys(("id", "type", "reference", "charge"), "must be texts of 1 to 128 characters"))
    return Webhook(*map(str, texts))


def apply(connection: Connection, webhook: Webhook) -> bool:
    """Whether the webhook was new. States only move forward, so that webhooks may arrive in any order."""
    if not first_time(connection, webhook.id):
        return False
    if find_charge(connection, webhook.key) is None:
        log.warning("webhook about an unknown charge", key=webhook.key)
    elif webhook.type == "charge.succeeded":
        confirm_charge(connection, webhook.key, webhook.provider_id)
    elif webhook.type == "charge.declined":
        decline_charge(connection, webhook.key)
    elif webhook.type == "refund.succeeded":
        confirm_refund(connection, webhook.key)
    return True


def invalid_signature() -> ApiError:
    return error(400, "invalid_signature", "The signature is missing, wrong or too old.")
