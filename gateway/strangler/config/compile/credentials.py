"""How a provider's tokens are verified: its key set or its secret, read from their files or the environment.

A secret never stands in the YAML: it is a whole `${NAME}` or a `file:PATH`. A
key set in a file is looked at here, so that a missing one is an error at
start; one behind a URL is fetched later, by the control process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from strangler.auth.sessions import ISSUER as SESSION_ISSUER
from strangler.config.schema.auth import ProviderSection
from strangler.config.text.document import Document
from strangler.config.text.files import FileReader
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_trustworthy
from strangler.model.auth import Provider, SessionSource

DISCOVERY = "/.well-known/openid-configuration"
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WITH_SESSIONS = {"django_session", "leeway", "remembered"}
_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2


@dataclass(frozen=True, slots=True)
class Credentials:
    """A provider, and the files that it was read from."""

    provider: Provider
    files: tuple[Path, ...]


def read_provider(name: str, section: ProviderSection, document: Document, problems: list[Problem]) -> Credentials:
    """The provider that `section` describes; what is wrong with it is added to `problems`."""
    if section.django_session is not None:
        return read_session_provider(name, section, document, problems)
    reader = _ProviderReader(("auth", "providers", name), document, problems)
    reader.check_kind(section)
    reader.check_unchecked(section)
    jwks_file, jwks_url = reader.key_set(section.jwks) if section.jwks is not None else (None, None)
    provider = Provider(
        name=name,
        issuer=None if section.issuer is None else str(section.issuer),
        audiences=None if section.audience is None else tuple(map(str, section.audience)),
        algorithms=tuple(section.algorithms),
        jwks_file=jwks_file,
        jwks_url=jwks_url,
        discovery_url=reader.discovery_url(section.issuer) if section.discovery and section.issuer else None,
        secret=reader.shared_secret(section.algorithms) if section.secret is not None else None,
        leeway=section.leeway,
        refresh=section.refresh,
        timeout=section.timeout,
        refetch_floor=section.refetch_floor,
        token_bytes=section.token_bytes,
        remembered=section.remembered,
        forward_token=section.forward_token,
        subject_claim=str(section.subject_claim),
        audience_claim=str(section.audience_claim),
        scopes_claim=tuple(map(str, section.scopes_claim)),
        claims=tuple((str(claim), str(value)) for claim, value in section.claims.items()),
        source=document.source("auth", "providers", name),
    )
    return Credentials(provider, tuple(reader.files))


def read_session_provider(
    name: str, section: ProviderSection, document: Document, problems: list[Problem]
) -> Credentials:
    """The provider that knows login sessions."""
    place = ("auth", "providers", name)
    written, session = _ProviderReader(place, document, problems), section.django_session
    assert session is not None
    for field in sorted(section.model_fields_set - _WITH_SESSIONS):
        written.complain(field, f"'{field}' does not apply to 'django_session'")
    reader = _ProviderReader((*place, "django_session"), document, problems)
    if document.get("upstreams", str(session.upstream)) is None:
        reader.complain("upstream", f"there is no upstream '{session.upstream}'")
    if not _PATH.fullmatch(session.path):
        reader.complain("path", f"'{session.path}' is not a plain absolute path")
    if not _COOKIE_NAME.fullmatch(session.cookie):
        reader.complain("cookie", f"'{session.cookie}' is not the name of a cookie")
    source = SessionSource(
        upstream=str(session.upstream),
        secret=reader.shared_secret(("HS256",)) or b"",
        cookie=str(session.cookie),
        path=str(session.path),
        ttl=session.ttl,
        timeout=session.timeout,
        calls=session.calls,
        calls_per_second=session.calls_per_second,
    )
    provider = Provider(
        name=name,
        issuer=SESSION_ISSUER,
        audiences=None,
        algorithms=(),
        session=source,
        leeway=section.leeway,
        remembered=section.remembered,
        scopes_claim=("scp",),
        source=document.source(*place),
    )
    return Credentials(provider, tuple(reader.files))


class _ProviderReader(FileReader):
    def check_kind(self, section: ProviderSection) -> None:
        """Exactly one source of keys, and algorithms that fit it."""
        given = [
            field
            for field, there in (
                ("jwks", section.jwks is not None),
                ("discovery", bool(section.discovery)),
                ("secret", section.secret is not None),
            )
            if there
        ]
        if not section.algorithms:
            self.complain("", "'algorithms' is missing: list the accepted signature algorithms")
        if not given:
            self.complain("", "has no keys: set one of 'jwks', 'discovery: true' and 'secret'")
        elif len(given) > 1:
            self.complain(given[1], f"'{given[0]}' and '{given[1]}' are both set; use one source of keys")
        symmetric = [name for name in section.algorithms if name.startswith("HS")]
        asymmetric = [name for name in section.algorithms if not name.startswith("HS")]
        # Both kinds in one provider is how a public key comes to be used as an HMAC secret.
        if symmetric and asymmetric:
            self.complain("algorithms", "HS algorithms can't be mixed with others in one provider: use two")
        elif symmetric and given and "secret" not in given:
            self.complain("algorithms", f"{symmetric[0]} requires 'secret', not '{given[0]}'")
        elif asymmetric and "secret" in given:
            self.complain("algorithms", f"{asymmetric[0]} requires 'jwks' or 'discovery', not 'secret'")
        if len(set(section.algorithms)) < len(section.algorithms):
            self.complain("algorithms", "an algorithm is listed twice")

    def check_unchecked(self, section: ProviderSection) -> None:
        """Issuer and audience are given, unless the tokens of an own secret go without them, by the YAML's word."""
        for field, given in (("issuer", section.issuer is not None), ("audience", section.audience is not None)):
            unchecked = field in section.unchecked
            if given and unchecked:
                self.complain("unchecked", f"'{field}' is both set and unchecked: remove one of the two")
            elif not given and not unchecked:
                own = section.secret is not None
                hint = f"if tokens signed with this secret lack it: unchecked: [{field}]" if own else None
                self.complain("", f"'{field}' is missing", hint)
        if section.unchecked and section.secret is None:
            self.complain(
                "unchecked",
                "only tokens signed with 'secret' may go unchecked: a key set also signs tokens for other audiences",
            )

    def key_set(self, value: str) -> tuple[str | None, str | None]:
        """The file or the URL of a key set; one of them is None."""
        if "://" in value:
            return None, str(value) if self.check_url("jwks", value) else None
        file = self.file("jwks", value)
        content = self.read("jwks", file)
        if content is not None:
            try:
                keys = json.loads(content)
                listed = isinstance(keys, dict) and isinstance(keys.get("keys"), list)
            except (ValueError, RecursionError) as error:
                self.complain("jwks", f"{file} is not JSON: {error}")
            else:
                if not listed:
                    self.complain("jwks", f"{file} is not a key set: the list 'keys' is missing")
        return str(file), None

    def discovery_url(self, issuer: str) -> str | None:
        """Where the issuer describes itself (OpenID Connect Discovery section 4)."""
        return str(issuer).rstrip("/") + DISCOVERY if self.check_url("issuer", issuer) else None

    def check_url(self, field: str, url: str) -> bool:
        if is_trustworthy(url):
            return True
        try:
            parts = urlsplit(url)
            possible = bool(parts.hostname) and parts.port != 0
        except ValueError:
            possible = False
        if not possible:
            self.complain(field, f"'{url}' is not a URL")
            return False
        self.complain(field, f"'{url}': keys are fetched over https only; http is allowed on loopback")
        return False

    def shared_secret(self, algorithms: Sequence[str]) -> bytes | None:
        """The bytes of the secret, long enough for `algorithms`; None where there is a problem with it."""
        secret = self.secret("secret")
        if secret is None:
            return None
        needed = max((_SECRET_BYTES.get(name, 0) for name in algorithms), default=0)
        if len(secret) < max(needed, 1):
            what = "is empty" if not secret else f"has {len(secret)} bytes; {needed} are required"
            self.complain("secret", f"the secret {what}")
            return None
        return secret
