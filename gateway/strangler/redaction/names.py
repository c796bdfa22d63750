"""Names of credentials and of other private data: money, health and identity.

Names are compared case-insensitively and without word separators, so that
`accessToken`, `access_token` and `Access-Token` are one. A name is that of a
credential if it contains a word for one (`new_password`), unless the rest shows
that it only describes one (`token_type`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from strangler.redaction.words import ABOUT, ASKED, ENDING_HEADERS, EXCEPT, GROUPS, IN_HEADERS, IN_QUERIES, NOT_SECRET


def _any(words: Iterable[str]) -> str:
    """A pattern for words without their spaces, that with the most letters first."""
    distinct = sorted({word.replace(" ", "") for word in words}, key=lambda word: (-len(word), word))
    return "|".join(f"{word}(?!{EXCEPT[word]})" if word in EXCEPT else word for word in distinct)


_WITHIN = re.compile(
    f"{_any(word for group in GROUPS for word in group.within)}"
    f"|(?:{_any(word for group in GROUPS for word in group.at_end)})$"
)
_EXACTLY = frozenset(word.replace(" ", "") for group in GROUPS for word in group.exactly)
_WORDS = re.compile(
    f" (?:{'|'.join(sorted(word.replace(' ', ' ?') for group in GROUPS for word in group.words))})s?(?= )"
)
_IN_HEADERS = re.compile(f" (?:{_any(IN_HEADERS)}|(?:{_any(ENDING_HEADERS)})(?= $))(?= )")

_ABOUT = re.compile(f"s?(?:{'|'.join(ABOUT)})+")
_COUNTED = re.compile(r"(?:cached|completion|input|max|min|num|output|prompt|reasoning|remaining|total|used)$")

_BETWEEN = re.compile(r"[^\w-]+|__+")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*|[0-9]+")
_MOST = 64
"""Characters of a name that are looked at, at its end: what is longer is data more likely than a name."""


@lru_cache(8192)
def normalised(name: str) -> str:
    """A name without case and without what separates words."""
    folded = name.casefold()
    return "".join(filter(str.isalnum, folded)) or folded


class SecretNames:
    """Recognizes the names of secrets, including those that `names` adds."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._added = frozenset(map(normalised, names)) - {""}
        self._known = lru_cache(8192)(self._is_secret)
        self._known_in_headers = lru_cache(8192)(self._is_secret_in_header)

    def __contains__(self, name: str) -> bool:
        """Whether `name` is one of them, or a path like `user[password]` that holds one."""
        if len(name) <= _MOST:
            return self._known(name)
        return any(self._known(part[-_MOST:]) for part in _BETWEEN.split(name))

    def in_query(self, name: str) -> bool:
        """Whether a parameter of a query, which may have shorter names, is one."""
        return name in self or normalised(name) in IN_QUERIES

    def in_header(self, name: str) -> bool:
        """Whether a header field is one, also by a part of its name (`Stripe-Signature`, `X-Shopify-Hmac-Sha256`)."""
        return self._known_in_headers(name) if len(name) <= _MOST else self._is_secret_in_header(name)

    def _is_secret_in_header(self, name: str) -> bool:
        return name in self or _names_one_by_words(_spaced(name), _IN_HEADERS)

    def _is_secret(self, name: str) -> bool:
        if self._is_one(name):
            return True
        parts = _BETWEEN.split(name)
        return len(parts) > 1 and any(map(self._is_one, parts))

    def _is_one(self, name: str) -> bool:
        word = normalised(name)
        if word in self._added or word in _EXACTLY:
            return True
        if word in NOT_SECRET:
            return False
        return any(_names_one(word, match) for match in _WITHIN.finditer(word)) or _names_one_by_words(
            _spaced(name), _WORDS
        )


def _spaced(name: str) -> str:
    """The words of a name, each between spaces: `bankIBAN_2` is ` bank iban 2 `."""
    return f" {' '.join(_WORD.findall(name)).lower()} "


def _names_one(word: str, match: re.Match[str]) -> bool:
    """Whether the word for a credential that was found in `word` makes it the name of one."""
    before, after = word[: match.start()], word[match.end() :]
    if before in ASKED or _ABOUT.fullmatch(after):
        return False
    return not (match[0] == "token" and after == "s" and _COUNTED.search(before))


def _names_one_by_words(spaced: str, pattern: re.Pattern[str]) -> bool:
    """The same for what is a word of a name, or several."""
    for match in pattern.finditer(spaced):
        before, after = (part.replace(" ", "") for part in (spaced[: match.start()], spaced[match.end() :]))
        if before not in ASKED and not _ABOUT.fullmatch(after):
            return True
    return False
