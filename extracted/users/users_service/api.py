"""The routes that this service has taken over, and its own two for whoever operates it."""

from __future__ import annotations

from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from users_service import bug
from users_service.answer import Answer, insufficient_scope, invalid, invalid_token, not_found
from users_service.body import read_object
from users_service.database import Database
from users_service.keys import Keys
from users_service.migrate import is_migrated
from users_service.resource import Resource
from users_service.store import change_profile, find_user
from users_service.tokens import Claims, TokenVerifier
from users_service.users import User, read_change

READ_USERS = "users:read"


class UsersApi:
    """Who one is, changing one's profile, and looking up others."""

    def __init__(self, database: Database, tokens: TokenVerifier, deliberate_bug: str = "") -> None:
        self._database = database
        self._tokens = tokens
        self._bug = deliberate_bug

    def resources(self) -> list[Resource]:
        return [
            Resource("/api/users/me", {"GET": self.show_me, "PATCH": self.change_me}),
            Resource("/api/users/(?P<id>[1-9][0-9]{0,17})", {"GET": self.show_user}),
        ]

    async def show_me(self, request: Request) -> Answer:
        caller, _ = await self._authenticate(request)
        return Answer(200, bug.shown(self._bug, caller))

    async def change_me(self, request: Request) -> Answer:
        caller, _ = await self._authenticate(request)
        changes, problems = read_change(await read_object(request))
        if problems:
            raise invalid(problems)
        if not changes:
            return Answer(200, bug.shown(self._bug, caller))
        changed = await self._database.write(partial(change_profile, user_id=caller.id, changes=changes))
        if changed is None:
            raise invalid_token()
        return Answer(200, bug.shown(self._bug, changed))

    async def show_user(self, request: Request) -> Answer:
        _, claims = await self._authenticate(request)
        if READ_USERS not in claims.scopes:
            raise insufficient_scope(READ_USERS)
        user = await self._database.read(partial(find_user, user_id=int(request.path_params["id"])))
        if user is None:
            raise not_found()
        return Answer(200, bug.shown(self._bug, user))

    async def _authenticate(self, request: Request) -> tuple[User, Claims]:
        """The active user that the request's token names."""
        # Two such headers are one list, as for every field, and a list is no valid token.
        lines = request.headers.getlist("authorization")
        claims = await self._tokens.claims(",".join(lines) if lines else None)
        user = await self._database.read(partial(find_user, user_id=claims.user_id))
        if user is None or not bug.accepted(self._bug, user):
            raise invalid_token()
        structlog.contextvars.bind_contextvars(subject=f"user-{user.id}")
        return user, claims


class HealthApi:
    """`/healthz`: the process runs. `/readyz`: it can do its work, or what keeps it from that."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    def resources(self) -> list[Resource]:
        return [
            Resource("/healthz", {"GET": self.live}),
            Resource("/readyz", {"GET": self.ready}),
        ]

    async def live(self, request: Request) -> Answer:
        return Answer(200, {"status": "ok"})

    async def ready(self, request: Request) -> Answer:
        checks = {
            "database": await self._check_database(),
            "keys": "ok" if self._keys.ready else "none fetched yet",
        }
        ready = all(state == "ok" for state in checks.values())
        return Answer(200 if ready else 503, {"status": "ok" if ready else "unavailable", "checks": checks})

    async def _check_database(self) -> str:
        try:
            migrated = await self._database.read(is_migrated)
        except SQLAlchemyError as error:
            structlog.get_logger(__name__).warning("database not reachable", reason=str(error))
            return "not reachable"
        return "ok" if migrated else "not migrated"
