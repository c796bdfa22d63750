"""The controller of all rollouts in this control process.

Several gateways on one store elect one controller; each of them can be asked
and given orders, which go through the store to the one that leads.
"""

from __future__ import annotations

from strangler.control.rollouts.views import AuditDocument, RolloutsView
from strangler.rollout.evidence import CommandKind


class RolloutController:
    """Moves the migrations whose stage is `rollout`."""

    async def status(self) -> RolloutsView:
        """Where all rollouts stand, by this gateway's last turn; never fails."""
        raise NotImplementedError

    async def history(self, migration: str, limit: int = 100) -> list[AuditDocument]:
        """The newest `limit` audit entries of a migration, the newest first.

        Raises UnknownMigration and StoreUnavailable.
        """
        raise NotImplementedError

    async def command(
        self, migration: str, kind: CommandKind, *, by: str, reason: str = "", force: bool = False
    ) -> RolloutsView:
        """Have the controller carry out an order of `by`, and wait for that. Returns the status afterwards.

        `approve` and `promote` are about where the rollout stands now. Raises
        UnknownMigration, NotPermitted with the reason, StoreUnavailable, and
        NoController where none has carried it out within a few seconds.
        """
        raise NotImplementedError

    async def freeze(self, *, by: str, reason: str) -> RolloutsView:
        """Let no rollout begin or go forward; rollbacks still happen. Raises StoreUnavailable."""
        raise NotImplementedError

    async def unfreeze(self, *, by: str, reason: str = "") -> RolloutsView:
        """End the freeze. Raises NotPermitted where there is none, and StoreUnavailable."""
        raise NotImplementedError
