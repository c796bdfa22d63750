"""What the admin API shows of rollouts, and the orders that people give by it."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import asdict
from typing import Annotated, Any, Protocol

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strangler.control.admin.body import document
from strangler.control.admin.operations import Handler, Operation, Returned
from strangler.control.admin.problems import Refused
from strangler.control.rollouts.errors import (
    NoController,
    NotPermitted,
    RolloutError,
    StoreUnavailable,
    UnknownMigration,
)
from strangler.control.rollouts.views import AuditDocument, RolloutsView
from strangler.rollout.evidence import CommandKind

MOST_ENTRIES = 1000
DEFAULT_ENTRIES = 100
LONGEST_REASON = 500

_STATUSES: dict[type[RolloutError], int] = {
    UnknownMigration: 404,
    NotPermitted: 409,
    StoreUnavailable: 503,
    NoController: 504,
}

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Reason = Annotated[
    str, Field(max_length=LONGEST_REASON, pattern=_ONE_LINE, description="Why, for the history: one line.")
]
_STRICT = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


@dataclass(frozen=True, config=_STRICT)
class Order:
    """An order about a rollout."""

    reason: Reason = ""


@dataclass(frozen=True, config=_STRICT)
class Promotion(Order):
    """The order to go to the next step; `force` promotes past gates that do not pass."""

    force: bool = False


@dataclass(frozen=True, config=_STRICT)
class Freeze:
    """Why no rollout may begin or go forward."""

    reason: Annotated[Reason, Field(min_length=1)]


_SHOWN = Returned("Where all rollouts stand.", document=RolloutsView)


class Rollouts(Protocol):
    """The rollouts of this gateway, as `control.rollouts.controller` has them."""

    async def status(self) -> RolloutsView:
        """Where all rollouts stand."""

    async def history(self, migration: str, limit: int = ...) -> list[AuditDocument]:
        """The newest audit entries. Raises RolloutError."""

    async def command(
        self, migration: str, kind: CommandKind, *, by: str, reason: str = ..., force: bool = ...
    ) -> RolloutsView:
        """Have an order carried out. Raises RolloutError."""

    async def freeze(self, *, by: str, reason: str) -> RolloutsView:
        """Let no rollout begin or go forward. Raises RolloutError."""

    async def unfreeze(self, *, by: str, reason: str = ...) -> RolloutsView:
        """End the freeze. Raises RolloutError."""


def rollout_operations(rollouts: Rollouts) -> list[Operation]:
    """The operations on rollouts."""

    async def status(request: Request) -> Response:
        return JSONResponse(asdict(await rollouts.status()))

    async def history(request: Request) -> Response:
        limit = request.query_params.get("limit", str(DEFAULT_ENTRIES))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST_ENTRIES):
            raise Refused(422, f"limit: expected a whole number from 1 to {MOST_ENTRIES}")
        return await _result(rollouts.history(request.path_params["migration"], int(limit)))

    limited = {"type": "integer", "minimum": 1, "maximum": MOST_ENTRIES, "default": DEFAULT_ENTRIES}
    return [
        Operation("GET", "/rollouts", "Where all rollouts stand.", status, _SHOWN),
        Operation(
            "GET",
            "/rollouts/{migration}/history",
            "The newest entries of a rollout's audit, the newest first.",
            history,
            Returned("The entries.", document=list[AuditDocument]),
            query={"limit": limited | {"description": "The maximum number of entries."}},
            refusals=(404, 422, 503),
        ),
        *(
            Operation(
                "POST",
                f"/rollouts/{{migration}}/{kind}",
                f"{summary} The response comes once that is done, with where all rollouts stand then.",
                _ordering(rollouts, kind),
                _SHOWN,
                body=_body(kind),
                refusals=(404, 409, 413, 415, 422, 503, 504),
            )
            for kind, summary in _SUMMARIES.items()
        ),
    ]


def freeze_operations(rollouts: Rollouts) -> list[Operation]:
    """The operations on all rollouts at once."""

    async def freeze(request: Request) -> Response:
        wanted = await document(request, Freeze)
        return await _result(rollouts.freeze(by=request.state.holder, reason=wanted.reason))

    async def unfreeze(request: Request) -> Response:
        reason = request.query_params.get("reason", "").strip()
        if len(reason) > LONGEST_REASON or not re.fullmatch(_ONE_LINE, reason):
            raise Refused(422, f"reason: expected one line of at most {LONGEST_REASON} characters")
        return await _result(rollouts.unfreeze(by=request.state.holder, reason=reason))

    return [
        Operation(
            "PUT",
            "/freeze",
            "Let no rollout begin or go forward; rollbacks still happen.",
            freeze,
            _SHOWN,
            body=Freeze,
            refusals=(409, 413, 415, 422, 503),
        ),
        Operation(
            "DELETE",
            "/freeze",
            "End the freeze.",
            unfreeze,
            _SHOWN,
            query={"reason": TypeAdapter(Reason).json_schema()},
            refusals=(409, 422, 503),
        ),
    ]


_SUMMARIES = {
    CommandKind.APPROVE: "Approve the next step.",
    CommandKind.PAUSE: "Hold the rollout where it is.",
    CommandKind.RESUME: "End a pause, or begin anew after a rollback.",
    CommandKind.ROLLBACK: "Move all callers back to the legacy side.",
    CommandKind.PROMOTE: "Go to the next step; with `force` past gates that do not pass.",
}


def _body(kind: CommandKind) -> type[Order]:
    return Promotion if kind is CommandKind.PROMOTE else Order


def _ordering(rollouts: Rollouts, kind: CommandKind) -> Handler:
    async def order(request: Request) -> Response:
        wanted = await document(request, _body(kind))
        force = isinstance(wanted, Promotion) and wanted.force
        migration, holder = request.path_params["migration"], request.state.holder
        return await _result(rollouts.command(migration, kind, by=holder, reason=wanted.reason, force=force))

    return order


async def _result(asked: Awaitable[RolloutsView | list[AuditDocument]]) -> Response:
    try:
        found = await asked
    except RolloutError as error:
        raise Refused(_STATUSES.get(type(error), 409), str(error)) from None
    content: Any = asdict(found) if isinstance(found, RolloutsView) else found
    return JSONResponse(content)
