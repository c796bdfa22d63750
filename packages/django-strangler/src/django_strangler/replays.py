"""Stamps that were used: each is accepted once."""

from __future__ import annotations

from django.core.cache import caches

from django_strangler.conf import options
from django_strangler.signatures import STAMP_SECONDS, NotSigned, Stamp


def use_once(stamp: Stamp) -> None:
    """Record that `stamp` was used. Raises NotSigned if it was used before.

    The record is in the cache that STRANGLER["CACHE"] names. With a cache of its own in each process
    (LocMemCache), a stamp counts once per process.
    """
    if not caches[options().cache].add(f"strangler-stamp-{stamp.nonce}", True, timeout=2 * STAMP_SECONDS):
        raise NotSigned("the signature was used before")
