"""Why an order of a person about a rollout is not carried out. The message is for that person."""

from __future__ import annotations


class RolloutError(Exception):
    """An order that is not carried out; the message says why."""


class UnknownMigration(RolloutError):
    """The configuration has no migration of this name, or none that was ever in stage `rollout`."""


class NotPermitted(RolloutError):
    """The order does not fit the state of the rollout."""


class StoreUnavailable(RolloutError):
    """The store can't be read or written, so that nothing can be recorded."""


class NoController(RolloutError):
    """No gateway has carried out the order in time; it stands in the store, and will be carried out."""
