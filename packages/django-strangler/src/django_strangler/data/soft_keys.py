"""References to rows that live in another service: a soft foreign key has no constraint, and knows who is gone.

While users move out of the monolith, an order keeps the identity of its customer instead of a foreign key. The other
service reports deleted users; each leaves a tombstone here, so that a reference to a deleted user and a reference to a
user that can't be asked for at the moment are two things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from django.db import models, transaction
from django.dispatch import Signal

from django_strangler.data.models import Tombstone

Row = TypeVar("Row")

buried = Signal()
"""Sent with `kind` and `identity` when something is first reported as gone, within the transaction."""


class SoftForeignKey(models.CharField):  # type: ignore[type-arg]
    """The identity of a row of another service, of `kind` such as "user". Indexed, and without a constraint."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        super().__init__(**{"max_length": 255, "db_index": True, **options})

    def deconstruct(self) -> Any:
        """As migrations write it."""
        name, path, args, options = super().deconstruct()
        return name, path, [self.kind, *args], {"db_index": False, **options}


def bury(kind: str, identity: str) -> bool:
    """Record that the other service no longer has `identity`; whether that was news. Safe to repeat."""
    with transaction.atomic():
        _, is_new = Tombstone.objects.get_or_create(kind=kind, identity=identity)
        if is_new:
            buried.send(sender=Tombstone, kind=kind, identity=identity)
    return bool(is_new)


class Resolved(Generic[Row]):
    """What soft keys refer to: `rows` by identity, and those that are `gone`. The rest is `unknown`."""

    def __init__(self, wanted: set[str], rows: Mapping[str, Row], gone: set[str]) -> None:
        self.rows = dict(rows)
        self.gone = gone
        self.unknown = wanted - gone - self.rows.keys()

    def __repr__(self) -> str:
        return f"<Resolved {len(self.rows)} rows, {len(self.gone)} gone, {len(self.unknown)} unknown>"


def resolve(kind: str, identities: Iterable[str], fetch: Callable[[set[str]], Mapping[str, Row]]) -> Resolved[Row]:
    """What `identities` refer to: `fetch` is called at most once, for all that have no tombstone."""
    wanted = set(identities)
    gone = set(Tombstone.objects.filter(kind=kind, identity__in=wanted).values_list("identity", flat=True))
    asked = wanted - gone
    return Resolved(wanted, fetch(asked) if asked else {}, gone)
