"""The bucket of a caller is a published function: other programs compute the same one (decision 0026)."""

from __future__ import annotations

import pytest

from strangler.routing.split import bucket_of


@pytest.mark.parametrize(
    ("migration", "key", "bucket"),
    [
        ("catalog", "user-1", 455),
        ("catalog", "user-18", 310),
        ("orders", "user-18", 9425),
        ("catalog", "", 9115),
        ("catalog", "käthe@example.com", 549),
    ],
)
def test_bucket_is_xxhash64_of_migration_and_key_modulo_10000(migration: str, key: str, bucket: int) -> None:
    assert bucket_of(migration, key) == bucket
