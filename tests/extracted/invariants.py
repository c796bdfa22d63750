"""What must hold once the shop has come to rest, whatever happened before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.extracted.shop import Shop

AT_REST = ("awaiting_payment", "completed", "cancelled")


def unfinished(shop: Shop) -> int:
    """Sagas that have something to do."""
    states = ", ".join(f"'{state}'" for state in AT_REST)
    return int(shop.rows("orders", f"SELECT COUNT(*) FROM sagas WHERE state NOT IN ({states})")[0][0])


def violations(shop: Shop, stock: Mapping[int, int]) -> list[str]:
    """What is wrong, with `stock` as it was before the first order. The shop is at rest."""
    states: dict[str, str] = dict(shop.rows("orders", "SELECT id, state FROM sagas"))
    return [*_stock(shop, states, stock), *_payments(shop, states), *_orders(shop, states)]


def _stock(shop: Shop, states: Mapping[str, str], stock: Mapping[int, int]) -> list[str]:
    problems = []
    held = {"reserved": Counter[int](), "committed": Counter[int]()}
    for key, status in shop.rows("inventory", "SELECT key, status FROM reservations"):
        expected = {"awaiting_payment": "reserved", "completed": "committed"}.get(states.get(key, ""), "released")
        if status != expected:
            problems.append(f"reservation {key} is {status}, and its saga {states.get(key)}")
        if status in held:
            lines = f"SELECT product_id, quantity FROM reserved_items WHERE key = '{key}'"
            held[status].update(dict(shop.rows("inventory", lines)))
    for product, available, reserved in shop.rows("inventory", "SELECT product_id, available, reserved FROM stock"):
        if reserved != held["reserved"][product]:
            problems.append(f"product {product}: {reserved} reserved, not {held['reserved'][product]}")
        if available + reserved + held["committed"][product] != stock[product]:
            problems.append(f"product {product}: of {stock[product]}, some were lost or sold twice")
    return problems


def _payments(shop: Shop, states: Mapping[str, str]) -> list[str]:
    problems = []
    taken = Counter[str]()
    totals = dict(shop.rows("orders", "SELECT id, total_cents FROM orders"))
    for charge in shop.charges():
        if charge["status"] == "succeeded":
            taken[charge["reference"]] += charge["amount"] - charge["refunded"]
    for order in states.keys() | taken.keys():
        due = totals[order] if states.get(order) == "completed" else 0
        if taken[order] != due:
            problems.append(f"order {order}, {states.get(order)}: {taken[order]} taken, not {due}")
    return problems


def _orders(shop: Shop, states: Mapping[str, str]) -> list[str]:
    expected = {"awaiting_payment": "pending", "completed": "paid", "cancelled": "cancelled"}
    return [
        f"order {order} is {status}, and its saga {states[order]}"
        for order, status in shop.rows("orders", "SELECT id, status FROM orders")
        if status != expected[states[order]]
    ]
