"""Secrets recognised by their form, in any place and under any name.

A shape is a fixed prefix, by which it is found, and what must follow it. Only
what an issuer marks is redacted, never a value for being long or random: ids,
digests and UUIDs are that too.

All patterns begin with a literal and have no repetition that can be left in two
ways, so that a text is read once, from its beginning to its end.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass

REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of secret: whose it is, how it is written in the documentation, and its beginnings with what follows.

    `begins` are literals, and none is preceded by a letter or digit.
    """

    name: str
    form: str
    begins: tuple[str, ...]
    follows: str


_W = "[A-Za-z0-9]"
_U = "[A-Za-z0-9_-]"

TOKENS = (
    Shape(
        "Stripe key",
        "`sk_live_…`, `sk_test_…`, `rk_live_…`, `rk_test_…`",
        ("sk_", "rk_"),
        f"(?:live|test)_{_W}{{10,}}+",
    ),
    Shape("Stripe webhook secret", "`whsec_…`", ("whsec_",), r"[A-Za-z0-9+/=]{16,}+"),
    Shape(
        "Stripe client secret",
        "`pi_…_secret_…`, `seti_…_secret_…`",
        ("pi_", "seti_"),
        f"{_W}{{8,64}}+_secret_{_W}{{8,}}+",
    ),
    Shape("GitHub token", "`ghp_…`, `gho_…`, `ghu_…`, `ghs_…`, `ghr_…`", ("gh",), f"[pousr]_{_U}{{20,}}+"),
    Shape("GitHub fine-grained token", "`github_pat_…`", ("github_pat_",), r"[A-Za-z0-9_]{20,}+"),
    Shape(
        "GitLab token",
        "`glpat-…`, `gldt-…`, `glrt-…`, `glcbt-…`, `glptt-…`, `glft-…`, `glimt-…`, `glagent-…`, `gloas-…`, `glsoat-…`",
        ("gl",),
        f"(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-{_U}{{18,}}+",
    ),
    Shape("GitLab runner token", "`GR1348941…`", ("GR1348941",), f"{_U}{{18,}}+"),
    Shape("Slack token", "`xoxb-…`, `xoxp-…`, `xoxa-…`, …", ("xox",), r"[abcdeoprs](?:[.-][A-Za-z0-9]++){2,}+"),
    Shape("Slack app token", "`xapp-…`", ("xapp-",), r"[0-9]++(?:-[A-Za-z0-9]++)++"),
    Shape(
        "Slack webhook",
        "`hooks.slack.com/services/…`",
        ("hooks.slack.com/",),
        r"(?:services|workflows|triggers)/[A-Za-z0-9/_-]{8,}+",
    ),
    Shape(
        "AWS access key id",
        "`AKIA…`, `ASIA…`, `ABIA…`, `ACCA…`",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        r"[A-Z0-9]{16}(?![A-Za-z0-9])",
    ),
    Shape(
        "AWS session token",
        "`FwoGZXIvYXdz…`, `IQoJb3JpZ2lu…`",
        ("FwoGZXIvYXdz", "IQoJb3JpZ2lu"),
        r"[A-Za-z0-9/+=]{20,}+",
    ),
    Shape("Google API key", "`AIza…`", ("AIza",), f"{_U}{{30,}}+"),
    Shape("Google access token", "`ya29.…`", ("ya29.",), r"[A-Za-z0-9._-]{16,}+"),
    Shape("Google refresh token", "`1//0…`", ("1//0",), f"{_U}{{20,}}+"),
    Shape("Google client secret", "`GOCSPX-…`", ("GOCSPX-",), f"{_U}{{20,}}+"),
    Shape(
        "OpenAI or Anthropic key",
        "`sk-proj-…`, `sk-ant-…`, `sk-svcacct-…`, `sk-admin-…`, `sk-…`",
        ("sk-",),
        f"(?:(?:proj|ant|svcacct|admin)-{_U}{{16,}}+|{_W}{{32,}}+)",
    ),
    Shape("SendGrid key", "`SG.….…`", ("SG.",), rf"{_U}{{16,64}}+\.{_U}{{16,}}+"),
    Shape("Twilio key", "`SK` and 32 hexadecimal digits", ("SK",), r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    Shape("Mailgun key", "`key-` and 32 hexadecimal digits", ("key-",), r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    Shape("Telegram bot token", "digits, `:AA…`", (":AA",), r"(?<=[0-9]{8}:AA)[A-Za-z0-9_-]{30,}+"),
    Shape("npm token", "`npm_…`", ("npm_",), f"{_W}{{30,}}+"),
    Shape("PyPI token", "`pypi-…`", ("pypi-",), f"{_U}{{50,}}+"),
    Shape("Docker token", "`dckr_pat_…`", ("dckr_pat_",), f"{_U}{{20,}}+"),
    Shape("Hugging Face token", "`hf_…`", ("hf_",), f"{_W}{{30,}}+"),
    Shape("DigitalOcean token", "`dop_v1_…`, `doo_v1_…`, `dor_v1_…`", ("do",), r"[opr]_v1_[0-9a-f]{32,}+"),
    Shape(
        "Shopify token", "`shpat_…`, `shpca_…`, `shppa_…`, `shpss_…`", ("shp",), r"(?:at|ca|pa|ss)_[0-9a-fA-F]{32,}+"
    ),
    Shape("Square token", "`sq0atp-…`, `sq0csp-…`", ("sq0",), f"(?:atp|csp)-{_U}{{20,}}+"),
    Shape(
        "Databricks token", "`dapi` and 32 hexadecimal digits", ("dapi",), r"[0-9a-f]{32}(?:-[0-9]++)?+(?![A-Za-z0-9])"
    ),
    Shape("Vault token", "`hvs.…`, `hvb.…`, `hvr.…`", ("hv",), rf"[sbr]\.{_U}{{20,}}+"),
    Shape("Atlassian token", "`ATATT3…`", ("ATATT3",), r"[A-Za-z0-9_=-]{50,}+"),
    Shape("Grafana token", "`glsa_…`, `glc_…`", ("glsa_", "glc_"), r"[A-Za-z0-9+/=_]{30,}+"),
    Shape("Sentry token", "`sntrys_…`, `sntryu_…`", ("sntry",), r"[su]_[A-Za-z0-9+/=_]{30,}+"),
    Shape("Postman key", "`PMAK-…`", ("PMAK-",), r"[0-9a-f]{20,}+-[0-9a-f]{20,}+"),
    Shape("New Relic key", "`NRAK-…`", ("NRAK-",), f"{_W}{{20,}}+"),
    Shape("Figma token", "`figd_…`", ("figd_",), f"{_U}{{20,}}+"),
    Shape("age key", "`AGE-SECRET-KEY-1…`", ("AGE-SECRET-KEY-1",), r"[A-Z0-9]{20,}+"),
)
"""Tokens that are recognized by the prefix that their issuers use."""

KEYS = (
    Shape(
        "private key (PEM)",
        "`-----BEGIN … PRIVATE KEY-----` up to its end, with everything between",
        ("----",),
        r"[- ]BEGIN (?:[A-Z0-9]{1,20}+ ){0,4}PRIVATE KEY(?:[\s\S]*?----[- ]END [A-Z0-9 ]{1,60}-----?|[\s\S]*+)",
    ),
    Shape(
        "private key (PuTTY)", "`PuTTY-User-Key-File-…` and all that follows", ("PuTTY-User-Key-File-",), r"[\s\S]*+"
    ),
)
"""Keys of many lines."""

_JWT = r"eyJ(?:[A-Za-z0-9_-]{8,}+(?P<jwt>(?:\.[A-Za-z0-9_-]*+){1,4})?|[A-Za-z0-9_-]*+)"
_SCHEME = r"(?:[Ee][Aa][Rr][Ee][Rr]|[Aa][Ss][Ii][Cc])\s++(?!(?:realm|scope|charset|error\w*+)=)[A-Za-z0-9._~+/=-]++"
_PARAMETER = r"(?:[Kk][Ee][Yy]|[Hh][Mm][Aa][Cc]|[Cc][Oo][Dd][Ee])=[^&#\s\"'<>\\;]++"

OTHERS = (
    ("JSON Web Token (RFC 7519)", "`eyJ….….…`, signed or encrypted"),
    ("Bearer token (RFC 6750)", "what follows `Bearer` and white space, in any case"),
    (
        "Basic credentials (RFC 7617)",
        "what follows `Basic` and white space, where it is a user and a password in Base64",
    ),
    ("user of a URL (RFC 3986)", "the part before `@` in `https://user:password@host`"),
    ("parameter of a URL", "the values of `key` and `hmac`, and of `code` from 16 characters on"),
)
"""Secrets that are recognized by the text before them."""

_LONG_CODE = 16
"""An authorization code (RFC 6749 section 4.1.2) is longer than the code of a country or of a coupon."""

CARD_NUMBER = (
    "card number",
    "14 to 19 digits that begin like those of a card network and pass the Luhn check (ISO/IEC 7812), in one piece or in"
    " groups (4-4-4-4, 4-6-5, 4-6-4) between spaces, hyphens or dots; also numbers of JSON",
)
_CARD = re.compile(
    r"[2-6](?<![0-9A-Za-z].)(?<![0-9]\..)(?:[0-9]{13,18}+"
    r"|[0-9]{3}([ .\u00a0\u202f-])(?:[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?P<more>\1[0-9]{1,3}(?![0-9A-Za-z]))?"
    r"|[0-9]{6}\1[0-9]{4,5}+))(?![0-9A-Za-z])"
)
_GROUP = 4

_NETWORKS: tuple[tuple[Iterable[int], tuple[int, ...]], ...] = (
    ((4,), (16, 18, 19)),  # Visa
    ((*range(51, 56), *range(2221, 2721)), (16,)),  # Mastercard
    ((34, 37), (15,)),  # American Express
    ((6011, *range(644, 650), 65), (16, 17, 18, 19)),  # Discover
    ((*range(300, 306), 36, 38, 39), (14, 16)),  # Diners Club
    (range(3528, 3590), (16,)),  # JCB
    ((62,), (16, 17, 18, 19)),  # UnionPay
    (range(2200, 2205), (16, 17, 18, 19)),  # Mir
    ((5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763), (16, 17, 18, 19)),  # Maestro
)
_LENGTHS = {str(begins): lengths for numbers, lengths in _NETWORKS for begins in numbers}
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class SecretShapes:
    """Removes secrets from texts by their shape; `card_numbers` is whether numbers of cards count."""

    def __init__(self, card_numbers: bool = True) -> None:
        self._card_numbers = card_numbers

    def without(self, text: str) -> str:
        """`text` without what looks like a secret."""
        shown = _TOKEN.sub(_replacement, text)
        return _without_cards(shown) if self._card_numbers else shown

    def without_keys(self, text: str) -> str:
        """`text` without keys of many lines alone."""
        return _KEYS.sub(REDACTED, text) if "PRIVATE KEY" in text or "PuTTY" in text else text

    def begins_key(self, text: str) -> bool:
        """Whether a key of many lines begins in `text`, and doesn't end in there."""
        match = _KEYS.search(text) if "PRIVATE KEY" in text or "PuTTY" in text else None
        return match is not None and "END " not in match[0]

    def number(self, number: int | float) -> bool:
        """Whether a number of JSON is that of a card."""
        if not self._card_numbers or not 10**13 <= number < 10**19 or number != int(number):
            return False
        return _is_card(str(int(number)))


def _pattern(*, jwt: bool) -> re.Pattern[str]:
    """All shapes by their first letter: at a letter only those are tried that begin with it."""
    following: dict[str, list[str]] = {"B": [_SCHEME], "b": [_SCHEME]}
    for shape in (*TOKENS, *KEYS):
        for begins in shape.begins:
            following.setdefault(begins[0], []).append(re.escape(begins[1:]) + shape.follows)
    alternatives = [
        re.escape(letter) + (r"(?<![A-Za-z0-9].)" if letter.isalnum() else "") + f"(?:{'|'.join(rest)})"
        for letter, rest in following.items()
    ]
    urls = [r"//[^/?#\s\"<>\\`]*@", rf"\?{_PARAMETER}", rf"&(?:amp;)?{_PARAMETER}"]
    return re.compile("|".join([*([_JWT] if jwt else []), *urls, *alternatives]))


_KEYS = re.compile("|".join(re.escape(begins) + shape.follows for shape in KEYS for begins in shape.begins))
_TOKEN = _pattern(jwt=True)
_NOT_JWT = _pattern(jwt=False)


def _replacement(match: re.Match[str]) -> str:
    if not match[0].startswith("eyJ"):
        return _replacement_in_part(match)
    return REDACTED if match["jwt"] is not None else _NOT_JWT.sub(_replacement_in_part, match[0])


def _replacement_in_part(match: re.Match[str]) -> str:
    text, first = match[0], match[0][0]
    if first == "/":
        return f"//{REDACTED}@"
    if first in "?&":
        name, _, value = text.partition("=")
        short = name[-4:].lower() == "code" and len(value) < _LONG_CODE
        return text if short else f"{name}={REDACTED}"
    if first in "Bb":
        value = text.split()[-1]
        scheme = text.removesuffix(value)
        basic = scheme[1] in "Aa"
        return scheme + (_TOKEN.sub(_replacement, value) if basic and not _is_basic(value) else REDACTED)
    return REDACTED


def _is_basic(value: str) -> bool:
    """Whether Base64 holds a user and a password; it may have been cut."""
    encoded = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        said = b64decode(encoded[: len(encoded) - (len(encoded) % 4 == 1)] + "=" * (-len(encoded) % 4 % 3))
    except ValueError:
        return False
    user, colon, _ = said.partition(b":")
    return bool(colon) and user.isascii() and user.decode().isprintable()


def _without_cards(text: str) -> str:
    """`text` without the numbers of cards; what is none may overlap with one, so the search goes on within it."""
    match = _CARD.search(text)
    if match is None:
        return text
    pieces: list[str] = []
    kept = 0
    while match is not None:
        whole = match[0]
        more = match["more"] or ""
        for candidate in dict.fromkeys((whole, whole[: len(whole) - len(more)])):
            if _is_card("".join(filter(str.isdigit, candidate))):
                pieces += [text[kept : match.start()], REDACTED]
                kept = at = match.start() + len(candidate)
                break
        else:
            at = match.end() if whole.isdigit() else match.start() + _GROUP
        match = _CARD.search(text, at)
    return "".join([*pieces, text[kept:]])


def _is_card(digits: str) -> bool:
    return any(len(digits) in _LENGTHS.get(digits[:most], ()) for most in range(1, 5)) and not _luhn(digits)


def _luhn(digits: str) -> int:
    """The sum of the Luhn check, modulo 10: 0 where it is passed."""
    return sum(_DOUBLED[int(one)] if place % 2 else int(one) for place, one in enumerate(reversed(digits))) % 10
