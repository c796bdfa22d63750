"""Requests to the admin API, with the token of the person who sends them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from strangler.cli.admin.address import AdminAddress
from strangler.config.compile.admin import VARIABLE

TIMEOUT = 15.0
"""Seconds; an order may take some to be carried out."""


class AdminError(Exception):
    """The admin API can't be reached, or refuses; the message is for people."""


@dataclass(frozen=True, slots=True)
class AdminClient:
    """The admin API at an address, requested with a token, "" without one."""

    address: AdminAddress
    token: str = ""

    def get(self, path: str, **query: str) -> Any:
        """The JSON document at `path`. Raises AdminError."""
        return self._send("GET", path, params=query)

    def post(self, path: str, document: dict[str, Any]) -> Any:
        """The JSON document that responds to a POST of `document`. Raises AdminError."""
        return self._send("POST", path, json=document)

    def put(self, path: str, document: dict[str, Any]) -> Any:
        """The JSON document that responds to a PUT of `document`. Raises AdminError."""
        return self._send("PUT", path, json=document)

    def delete(self, path: str, **query: str) -> Any:
        """The JSON document that responds to a DELETE. Raises AdminError."""
        return self._send("DELETE", path, params=query)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        url = self.address.url.rstrip("/") + path
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with httpx.Client(timeout=TIMEOUT, trust_env=False, headers=headers) as client:
                response = client.request(method, url, **options)
            if response.is_error and (detail := _detail(response)):
                raise AdminError(self._refusal(response.status_code, detail))
            return response.raise_for_status().json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # httpx adds a line about what statuses mean to the error of a status, and has errors without a text.
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            source = f" ({self.address.source})" if self.address.source else ""
            raise AdminError(f"no gateway responds at {url}{source}: {reason}") from None

    def _refusal(self, status: int, detail: str) -> str:
        hint = f" Set {VARIABLE}, or give --token-file." if status == 401 and not self.token else ""
        return f"the gateway at {self.address.url} refuses: {detail}{hint}"


def admin_client(address: AdminAddress, token_file: Path | None) -> AdminClient:
    """A client with the token in `token_file`, else in the environment. Raises AdminError."""
    if token_file is None:
        return AdminClient(address, os.environ.get(VARIABLE, "").strip())
    try:
        return AdminClient(address, token_file.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no token"
        raise AdminError(f"{token_file} can't be read: {reason}") from None


def by_admin_api(address: AdminAddress, token_file: Path | None, work: Callable[[AdminClient], int]) -> int:
    """The exit code of `work`; 1, with the reason, where the admin API can't be reached or refuses."""
    try:
        return work(admin_client(address, token_file))
    except AdminError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 1


def segment(name: str) -> str:
    """`name` as one segment of a path."""
    return quote(name, safe="")


def _detail(response: httpx.Response) -> str:
    """What a problem document says, "" for another response."""
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return ""
    document = response.json()
    return str(document.get("detail", "")) if isinstance(document, dict) else ""
