"""References to users that live in another service."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from django_strangler.data.soft_keys import buried, bury, resolve
from tests.shop.models import Delivery

pytestmark = pytest.mark.django_db

ELSEWHERE = {"person-1": "Alice", "person-2": "Bob"}


def test_present_gone_and_unknown_users_are_told_apart_with_one_call() -> None:
    for name in ("person-1", "person-2", "person-3", "person-9"):
        Delivery.objects.create(customer=name)
    bury("user", "person-3")
    asked: list[set[str]] = []

    def fetch(identities: set[str]) -> Mapping[str, str]:
        asked.append(identities)
        return {name: ELSEWHERE[name] for name in identities & ELSEWHERE.keys()}

    resolved = resolve("user", Delivery.objects.values_list("customer", flat=True), fetch)
    assert (resolved.rows, resolved.gone, resolved.unknown) == (ELSEWHERE, {"person-3"}, {"person-9"})
    assert asked == [{"person-1", "person-2", "person-9"}]
    assert resolve("user", ["person-3"], fetch).gone == {"person-3"}
    assert len(asked) == 1


def test_a_burial_is_reported_once() -> None:
    heard: list[str] = []

    def on_buried(kind: str, identity: str, **_: object) -> None:
        Delivery.objects.filter(customer=identity).update(customer="")
        heard.append(f"{kind} {identity}")

    Delivery.objects.create(customer="person-1")
    buried.connect(on_buried)
    try:
        assert [bury("user", "person-1") for _ in range(2)] == [True, False]
    finally:
        buried.disconnect(on_buried)
    assert heard == ["user person-1"]
    assert Delivery.objects.get().customer == ""


def test_a_soft_key_is_an_indexed_column_without_a_constraint() -> None:
    field = Delivery._meta.get_field("customer")
    assert (field.db_index, field.remote_field, field.deconstruct()[2]) == (True, None, ["user"])
