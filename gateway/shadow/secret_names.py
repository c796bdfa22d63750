"""Which names are those of credentials.

Names are compared without case and without what separates words, so that
`accessToken`, `access_token` and `Access-Token` are one. A name is that of a
credential where it holds a word for one (`new_password`), unless what follows
says that it is about a credential and isn't one (`token_type`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_KEYS = (
    "api|app|access|account|auth|client|consumer|encryption|functions|hmac|master|private|secret|service|session"
    "|shared|signing|ssh|subscription"
)
_CREDENTIAL = re.compile(
    r"passwo?r?d|passphrase|passcode|pwd|pswd|(?:user|db|login|old|new|my|admin)pass$"
    r"|secret(?!ar[iy])|credential|authori[sz]ation|authenticationinfo|token(?!i[sz])|csrf|xsrf|jwt"
    rf"|(?:{_KEYS})key|sess(?:ion)?id|bearer$|cookies?2?$|otp$"
    r"|(?:recovery|backup|verification|onetime|security|auth)codes?|(?:amz|goog|hub)signature|assertion$|samlresponse"
)
_EXACTLY = frozenset(
    ("auth", "cvc", "cvv", "pass", "pin", "pw", "session", "sid", "sig", "signature", "xauth", "basicauth")
)
"""Too short, or too common in other names, to look for within them."""

# What follows a word for credentials in a name of something else.
_ABOUT = re.compile(
    r"s?(?:age|algorithm|at|budget|changed|count|created|day|days|disabled|enabled|endpoint|expir(?:ed|es|y|ation)"
    r"|format|hour|in|issued|kind|label|last|length|lifetime|limit|max|maximum|method|methods|min|minimum|minute"
    r"|modified|name|on|per|policy|rate|remaining|required|rotated|second|seconds|size|strength|supported|title|total"
    r"|ttl|types?|updated|usage|used)+"
)
_COUNTED = re.compile(r"(?:cached|completion|input|max|min|num|output|prompt|reasoning|remaining|total|used)$")
_ASKED = frozenset(("has", "is", "needs", "requires", "uses"))
_NONE = frozenset(("accesscontrolallowcredentials",))

_BETWEEN = re.compile(r"[^\w-]+|__+")
_MOST = 64
"""Characters of a name that are looked at, at its end: what is longer is data more likely than a name."""


def normalised(name: str) -> str:
    """A name without case and without what separates words."""
    folded = name.casefold()
    return "".join(filter(str.isalnum, folded)) or folded


class SecretNames:
    """Tells names of credentials, and those that `names` adds, from others."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._added = frozenset(map(normalised, names)) - {""}
        self._known = lru_cache(8192)(self._is_secret)

    def __contains__(self, name: str) -> bool:
        """Whether `name` is one of them, or a path like `user[password]` that holds one."""
        if len(name) <= _MOST:
            return self._known(name)
        return any(self._known(part[-_MOST:]) for part in _BETWEEN.split(name))

    def _is_secret(self, name: str) -> bool:
        whole = normalised(name)
        if self._is_one(whole):
            return True
        parts = _BETWEEN.split(name)
        return len(parts) > 1 and any(self._is_one(normalised(part)) for part in parts)

    def _is_one(self, word: str) -> bool:
        if word in self._added or word in _EXACTLY:
            return True
        return word not in _NONE and any(_names_one(word, found) for found in _CREDENTIAL.finditer(word))


def _names_one(word: str, found: re.Match[str]) -> bool:
    """Whether the word for a credential that was found in `word` makes it the name of one."""
    before, after = word[: found.start()], word[found.end() :]
    if before in _ASKED or _ABOUT.fullmatch(after):
        return False
    return not (found[0] == "token" and after == "s" and _COUNTED.search(before))
