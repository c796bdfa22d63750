"""What a route requires of a verified caller, and the challenge in a refusal (RFC 6750 section 3)."""

from __future__ import annotations

import re

from strangler.auth.certificate import ClientCertificate
from strangler.auth.claims import claim_text
from strangler.auth.identity import Identity
from strangler.model.auth import AuthRequirement

_UNQUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def missing(requirement: AuthRequirement, identity: Identity) -> str | None:
    """What the caller lacks, as a sentence, or None if nothing is missing."""
    lacking = requirement.scopes - identity.scopes
    if lacking:
        return f"The token lacks the scope {' '.join(sorted(lacking))}."
    for name, wanted in requirement.claims:
        if wanted not in claim_text(identity.claims, name):
            return f"The token's claim {name} does not have the value that this route requires."
    return None


def missing_certificate(requirement: AuthRequirement, certificate: ClientCertificate | None) -> str | None:
    """What the caller's certificate lacks, as a sentence, or None if nothing is missing."""
    if certificate is None:
        return "This route requires a client certificate." if requirement.required else None
    for name, wanted in requirement.certificate or ():
        if not set(wanted) & set(certificate.values(name)):
            return f"The client certificate's {name} is not one that this route accepts."
    return None


def challenge(error: str, detail: str, scopes: tuple[str, ...]) -> bytes:
    """The value of WWW-Authenticate; without an error where no token was sent at all."""
    if not error:
        return b"Bearer"
    text = _UNQUOTABLE.sub("?", detail.replace('"', "'"))
    parts = [f'error="{error}"', f'error_description="{text}"']
    if scopes:
        parts.append(f'scope="{" ".join(scopes)}"')
    return b"Bearer " + ", ".join(parts).encode("ascii")
