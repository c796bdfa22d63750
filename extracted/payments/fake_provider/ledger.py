"""What the provider knows: charges and refunds, each by the idempotency key it was requested with. In memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

SUCCEEDED = "succeeded"
DECLINED = "declined"
PENDING = "pending"


@dataclass(slots=True)
class ProviderCharge:
    id: str
    key: str
    reference: str
    amount: int
    source: str
    status: str
    requests: int = 1
    """How often it was requested."""
    refunded: int = 0
    """The amount that was given back."""

    def shown(self) -> dict[str, object]:
        return asdict(self)


@dataclass(slots=True)
class Ledger:
    charges: dict[str, ProviderCharge] = field(default_factory=dict)
    """By idempotency key."""
    refund_keys: set[str] = field(default_factory=set)

    def by_id(self, charge_id: str) -> ProviderCharge | None:
        return next((charge for charge in self.charges.values() if charge.id == charge_id), None)

    def refund(self, key: str, charge: ProviderCharge) -> None:
        """Once for each key; a second key is a second refund, which a real provider would refuse."""
        if key not in self.refund_keys:
            self.refund_keys.add(key)
            charge.refunded += charge.amount
