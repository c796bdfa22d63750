"""Who may use the admin API: bearer tokens, read from their files or the environment, and kept as digests."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from strangler.config.schema.admin import AdminTokenSection
from strangler.config.schema.configuration import Configuration
from strangler.config.text.document import Document
from strangler.config.text.files import FileReader
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_loopback

VARIABLE = "STRANGLER_ADMIN_TOKEN"
"""The environment variable whose token the gateway accepts, and the command line presents."""
OPERATOR = "operator"
"""The holder of the token in VARIABLE."""
SHORTEST = 32
"""Characters of a token; it can't be guessed, so that attempts need not be limited."""

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


@dataclass(frozen=True, slots=True)
class AdminToken:
    """The token of the holder `name`: its SHA-256, and what its holder may do."""

    name: str
    may: Literal["read", "operate"]
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """The tokens of the admin API, and the names by which it may be requested besides the usual ones."""

    tokens: tuple[AdminToken, ...] = ()
    hosts: frozenset[str] = frozenset()

    def holder(self, token: bytes) -> AdminToken | None:
        """Whose token this is. How long that takes says nothing about a token."""
        digest = hashlib.sha256(token).digest()
        found = None
        for each in self.tokens:
            if hmac.compare_digest(each.digest, digest):
                found = each
        return found


@dataclass(frozen=True, slots=True)
class AdminCredentials:
    """What was read for `access`: the files, and each token of the YAML by its place."""

    access: AdminAccess
    files: tuple[Path, ...]
    secrets: Mapping[str, bytes] = field(repr=False)


def read_admin(
    model: Configuration, document: Document, environment: Mapping[str, str], problems: list[Problem]
) -> AdminCredentials:
    """The access that `model` describes; what is wrong with it is added to `problems`."""
    files: list[Path] = []
    secrets: dict[str, bytes] = {}
    tokens = []
    for name, section in model.admin.tokens.items():
        path = ("admin", "tokens", name)
        reader = FileReader(path, document, problems, files)
        token = reader.secret("token")
        if token is None:
            continue
        why = _unusable(token)
        if why is not None:
            reader.complain("token", f"the token {why}")
        elif token in secrets.values():
            reader.complain("token", "two holders have the same token; give each its own")
        secrets[".".join(path)] = token
        tokens.append(_token(name, section, token))
    given = _of_environment(environment, document, problems)
    if given is not None:
        tokens.append(AdminToken(OPERATOR, "operate", hashlib.sha256(given).digest()))
    listen = model.admin.listen
    if not model.admin.tokens and given is None and not is_loopback(listen.host):
        place = document.source("admin", "listen")
        problems.append(
            Problem(
                place,
                f"the admin API at {listen}, beyond loopback, requires tokens, and there are none",
                f"add admin.tokens, or set {VARIABLE}",
            )
        )
    access = AdminAccess(tuple(tokens), frozenset(str(host) for host in model.admin.hosts))
    return AdminCredentials(access, tuple(files), secrets)


def _token(name: str, section: AdminTokenSection, token: bytes) -> AdminToken:
    return AdminToken(str(name), section.may, hashlib.sha256(token).digest())


def _of_environment(environment: Mapping[str, str], document: Document, problems: list[Problem]) -> bytes | None:
    token = environment.get(VARIABLE, "").encode("utf-8", "surrogateescape")
    if not token:
        return None
    why = _unusable(token)
    if why is not None:
        problems.append(Problem(document.source("admin"), f"the token in the environment variable {VARIABLE} {why}"))
        return None
    return token


def _unusable(token: bytes) -> str | None:
    if not token:
        return "is empty"
    if len(token) < SHORTEST:
        return f"has {len(token)} characters; {SHORTEST} are required"
    if not _TOKEN.fullmatch(token):
        return "has characters that no bearer token may have (RFC 6750): use letters, digits and -._~+/"
    return None
