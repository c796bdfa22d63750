"""CSRF tokens in pages: where frameworks put them, and under which names.

A token is new for each session, often for each page, so the two sides never
have the same. A different token in the same place passes; a missing or empty
token is a difference. A token is recognized by the name next to it, or because a
cookie of the same response with such a name contains it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from strangler.comparison.difference import DifferenceKind
from strangler.comparison.rules import Rule
from strangler.comparison.tolerances import Mask, Regex

NAME = "CSRF tokens"
"""The name of the rule in reports."""

# fmt: off
FIELDS = frozenset((
    # Django, Rails and Phoenix, Laravel, Spring, ASP.NET, Symfony and Express, Tornado, Flask
    "csrfmiddlewaretoken", "authenticity_token", "_csrf_token", "_token", "_csrf", "__requestverificationtoken",
    "csrf", "csrf-token", "_xsrf", "csrf_token",
    # CakePHP, CodeIgniter, Yii, Magento, WordPress, Drupal, phpBB, MyBB, vBulletin, XenForo, Moodle, MediaWiki
    "_csrftoken", "csrf_test_name", "yii_csrf_token", "form_key", "_wpnonce", "form_token", "my_post_key",
    "securitytoken", "_xftoken", "sesskey", "logintoken", "wpedittoken", "wplogintoken", "wpcreateaccounttoken",
    # other spellings
    "csrftoken", "x-csrf-token", "xsrf", "xsrf-token", "xsrf_token", "xsrftoken",
))
METAS = frozenset((
    "csrf-token", "csrf_token", "csrftoken", "csrf", "_csrf", "_csrf_token", "x-csrf-token", "xsrf-token",
    "_token", "authenticity-token",
))
KEYS = (
    r"(?:x[-_])?_?(?:csrf|xsrf)(?:[-_.]?(?:middleware)?token)?", "csrf_test_name", "yii_csrf_token",
    "authenticity_token", "__requestverificationtoken", "_token", "form_key", "form_token", "my_post_key",
    "securitytoken", "sesskey", "logintoken", "_wpnonce", "nonce", "edittoken", "patroltoken", "watchtoken",
)
# fmt: on
"""Names, in lower case, of inputs whose value is a token; of meta elements whose content is one; and patterns of
the text before one in scripts, in JSON within pages and in data attributes."""

_QUOTE = r"\\*[\"'`]"
_TOKEN = rf"{_QUOTE}[^\"'`\s<>]{{8,500}}?{_QUOTE}"
_IN_SCRIPTS = re.compile(
    rf"(?<![a-z0-9_])(?:{'|'.join(KEYS)})(?:{_QUOTE})?\s*(?:\]\s*)?[:=]\s*{_TOKEN}"
    rf"|\(\s*[\"'`]x-(?:csrf|xsrf)-?token[\"'`]\s*,\s*{_TOKEN}",
    re.IGNORECASE,
)
"""`csrfToken: "…"`, `"csrf_token":"…"`, `CSRF_TOKEN = '…'`, `["_token"] = "…"`, `\\"csrf\\":\\"…\\"`,
`setRequestHeader("X-CSRFToken", "…")`; a token has 8 to 500 characters, without white space."""

_HINTS = ("csrf", "xsrf", "token", "nonce", "_key", "sesskey")
"""Words of which a text must contain one to be searched for tokens."""

_ATTRIBUTES = ("data-", "hx-", "x-", "ng-", ":", "v-")
"""Prefixes of the names of attributes that scripts read."""

_COOKIE = re.compile(r"csrf|xsrf", re.IGNORECASE)
_SHORTEST = 16
"""Minimum characters of a cookie's value to search for in bodies."""

_VALUE = Rule(NAME, Regex(re.compile(r"\S+")))
_PARTS = Rule(NAME, Mask(_IN_SCRIPTS))


def rules_for(tag: str, attributes: Mapping[str, str]) -> list[tuple[str, Rule]]:
    """Return the rules for the attributes of an element that hold a token."""
    if tag == "input":
        return [("@value", _VALUE)] if attributes.get("name", "").lower() in FIELDS else []
    if tag == "meta":
        return [("@content", _VALUE)] if attributes.get("name", "").lower() in METAS else []
    selected: list[tuple[str, Rule]] = []
    for name, value in attributes.items():
        if name.startswith(_ATTRIBUTES):
            if _IN_SCRIPTS.search(value) is not None:
                selected.append((f"@{name}", _PARTS))
            elif _IN_SCRIPTS.fullmatch(f'{name.removeprefix("data-")}="{value}"') is not None:
                selected.append((f"@{name}", _VALUE))
    return selected


def rule_for_script(text: str) -> list[tuple[str, Rule]]:
    """Return the rule for the text of a script, if it contains a token."""
    plain = text.lower()
    return [("text()", _PARTS)] if any(map(plain.__contains__, _HINTS)) and _IN_SCRIPTS.search(text) else []


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """Lets two texts pass that are equal except for the tokens of each side's own cookies."""

    legacy: tuple[str, ...]
    extracted: tuple[str, ...]

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether both are equal without their tokens."""
        if kind is not DifferenceKind.VALUE or not isinstance(legacy, str) or not isinstance(extracted, str):
            return False
        return _without(legacy, self.legacy) == _without(extracted, self.extracted)


def _without(text: str, tokens: tuple[str, ...]) -> str:
    for token in tokens:
        text = text.replace(token, "\0")
    return text


def rules_for_cookies(legacy: Iterable[bytes], extracted: Iterable[bytes]) -> list[Rule]:
    """Return the rule for the tokens in two responses' Set-Cookie headers; none unless both sides have one."""
    of_legacy = _tokens(legacy)
    of_extracted = _tokens(extracted) if of_legacy else ()
    return [Rule(NAME, OwnTokens(of_legacy, of_extracted))] if of_extracted else []


def _tokens(headers: Iterable[bytes]) -> tuple[str, ...]:
    tokens: set[str] = set()
    for header in headers:
        if b"srf" not in header and b"SRF" not in header:
            continue
        name, _, value = header.decode("latin-1").partition(";")[0].partition("=")
        if _COOKIE.search(name) is not None:
            plain = unquote(value.strip().strip('"'))
            # Some frameworks sign a token, or append its digest.
            tokens |= {value.strip().strip('"'), plain, *re.split(r"[|:.]", plain)}
    return tuple(sorted((token for token in tokens if len(token) >= _SHORTEST), key=lambda token: (-len(token), token)))
