"""Sets of methods: a method too many in one of these would send a write twice, or to the wrong side."""

from __future__ import annotations

from strangler.model.methods import COMPARABLE, IDEMPOTENT, NEVER_COPIED, SAFE
from strangler.model.resilience import LegacyFallback, Retries
from strangler.model.shadow import Shadow
from strangler.proxy.exchange.hedging import HEDGED


def test_safe_and_idempotent_methods_are_those_of_rfc_9110() -> None:
    assert sorted(SAFE) == ["GET", "HEAD", "OPTIONS", "TRACE"]
    assert sorted(IDEMPOTENT - SAFE) == ["DELETE", "PUT"]


def test_methods_copied_without_a_sandbox_are_safe_and_copyable() -> None:
    assert COMPARABLE == SAFE - NEVER_COPIED
    assert Shadow().methods == COMPARABLE


def test_default_retries_fallback_and_hedging_send_safe_methods_only() -> None:
    assert Retries().methods <= SAFE
    assert LegacyFallback().methods <= SAFE
    assert HEDGED <= SAFE
