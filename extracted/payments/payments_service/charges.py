"""A charge: what may be charged, the states it goes through, and how the API shows it.

    (unknown) ── charge ──▶ pending ──▶ charged ── refund ──▶ refunding ──▶ refunded
        │                      │  └───▶ declined                  ▲  │
        │                      └───────────── refund ─────────────┘  └──▶ voided (the provider had declined it)
        └──────────────────────────── refund ─────────────────────────▶ voided

`pending` and `refunding` end by the provider's word alone, be it a response or a webhook; until then the service asks
again, with the same idempotency key. A refund of an unknown key is remembered as `voided`, so that a charge request
that was delayed on the way, and arrives after its own compensation, takes no money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from payments_service.answer import ApiError, conflict, invalid

PENDING = "pending"
CHARGED = "charged"
DECLINED = "declined"
REFUNDING = "refunding"
REFUNDED = "refunded"
VOIDED = "voided"

UNSETTLED = (PENDING, REFUNDING)

MAX_AMOUNT = 10**14
METHOD = re.compile(r"[A-Za-z0-9_-]{1,64}")
CURRENCIES = ("EUR",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be charged. `method` is the provider's token for the customer's means of payment."""

    amount_cents: int
    currency: str
    method: str


@dataclass(frozen=True, slots=True)
class Charge:
    key: str
    wanted: Wanted
    status: str
    provider_id: str | None
    attempts: int
    created_at: datetime
    changed_at: datetime

    def shown(self) -> dict[str, object]:
        return {
            "key": self.key,
            "status": self.status,
            "amount_cents": self.wanted.amount_cents,
            "currency": self.wanted.currency,
            "created_at": timestamp(self.created_at),
            "changed_at": timestamp(self.changed_at),
        }


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_wanted(values: dict[str, Any]) -> Wanted:
    """What a request's body wants charged; raises the `ApiError` that names everything wrong with it."""
    amount, currency, method = values.get("amount_cents"), values.get("currency"), values.get("method")
    problems: dict[str, str] = {}
    # `type` and not isinstance: true and false are int to Python, not to JSON.
    if type(amount) is not int or not 1 <= amount <= MAX_AMOUNT:
        problems["amount_cents"] = f"must be a whole number from 1 to {MAX_AMOUNT}"
    if currency not in CURRENCIES:
        problems["currency"] = f"must be one of {', '.join(CURRENCIES)}"
    if not isinstance(method, str) or not METHOD.fullmatch(method):
        problems["method"] = "must be 1 to 64 letters, digits, - or _"
    if problems:
        raise invalid(problems)
    return Wanted(int(values["amount_cents"]), str(currency), str(method))


def key_reused() -> ApiError:
    return conflict("key_reused", "The key belongs to a charge of something else.")


def already(status: str) -> ApiError:
    """The money of this key is given back, or never to be taken."""
    return conflict(status, f"The charge is {status}.")
