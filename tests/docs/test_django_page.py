"""The middleware in docs/django-behind-the-gateway.md: which peers may report the client's address."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "django-behind-the-gateway.md"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.5", "2001:db8::1", "2001:db8::1"),
        ("192.0.2.66", "203.0.113.9", "192.0.2.66"),
        ("127.0.0.1", None, "127.0.0.1"),
    ],
)
def test_middleware_trusts_only_the_gateway(peer: str, forwarded: str | None, address: str) -> None:
    (code,) = re.findall(r"```python\n(# settings\.py: MIDDLEWARE.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, type] = {}
    exec(code, names)
    meta = {"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    seen = names["ClientAddress"](lambda request: request.META["REMOTE_ADDR"])(SimpleNamespace(META=meta))
    assert seen == address
