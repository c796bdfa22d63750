"""What of a configuration decides about responses and how they are compared: another one begins an epoch."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from strangler.config.schema.configuration import Configuration

_OF_A_MIGRATION = {"from_", "to", "routes", "compare", "auth", "headers"}
_OF_AN_UPSTREAM = {"endpoints", "host"}


def epoch_settings(model: Configuration, migration: str) -> str:
    """A digest of what the evidence about `migration` depends on.

    Not of its stage, its share or bounds, which change what is copied and not
    what a response is.
    """
    section = model.migrations[migration]
    sides = (model.upstreams.get(name) for name in (section.from_, section.to))
    said: list[Any] = [
        model.compare.model_dump(mode="json", warnings=False),
        section.model_dump(mode="json", include=_OF_A_MIGRATION, warnings=False),
        section.shadow.conditions if section.shadow is not None else None,
        *(side.model_dump(mode="json", include=_OF_AN_UPSTREAM, warnings=False) for side in sides if side is not None),
    ]
    return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str), digest_size=8).hexdigest()
