"""Whether the user of a token is (still) one: asked of the users service, if there is one to ask.

A token says who its user was when it was issued. The monolith looks the user up at every request; so does this, at the
users service, with the user's own token. If the users service does not respond, the token's signature has to do.
"""

from __future__ import annotations

import structlog

from orders_service.answer import invalid_token
from orders_service.service_client import ServiceClient, ServiceUnavailable

log = structlog.get_logger(__name__)


class Accounts:
    """`users` is None where tokens alone decide."""

    def __init__(self, users: ServiceClient | None) -> None:
        self._users = users

    async def check(self, authorization: str) -> None:
        """Raise the `ApiError` of an invalid token if its user is none any more."""
        if self._users is None:
            return
        try:
            response = await self._users.send("GET", "/api/users/me", headers={"Authorization": authorization})
        except ServiceUnavailable as error:
            log.warning("user not looked up", reason=str(error))
            return
        if response.status_code == 401:
            raise invalid_token()
