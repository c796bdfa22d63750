"""Who the user of a request is."""

from __future__ import annotations

import structlog
from starlette.requests import Request

from orders_service.accounts import Accounts
from orders_service.tokens import TokenVerifier


class Authentication:
    """By the token, and by what the users service says of its user."""

    def __init__(self, tokens: TokenVerifier, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def user(self, request: Request) -> int:
        # Two such headers are one list, as for every field, and a list is no valid token.
        lines = request.headers.getlist("authorization")
        authorization = ",".join(lines) if lines else None
        claims = await self._tokens.claims(authorization)
        await self._accounts.check(authorization or "")
        structlog.contextvars.bind_contextvars(subject=f"user-{claims.user_id}")
        return claims.user_id
