"""Amounts of money: integer cents inside, text with two decimals outside."""

import re

CURRENCY = "EUR"

_AMOUNT = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?")


def amount_text(cents: int) -> str:
    """`1250` cents as `"12.50"`."""
    return f"{cents // 100}.{cents % 100:02d}"


def amount_cents(text: str) -> int | None:
    """`"12.5"` as 1250 cents, or None if the text is no amount."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
