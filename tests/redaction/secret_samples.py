"""Secrets of every shape, made up, and where the parts of them stand that must be seen nowhere.

They are put together here, so that nobody who searches the checkout for tokens
takes them for real ones.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from strangler.redaction.shapes import KEYS, TOKENS

Sample = tuple[str, tuple[str, ...]]
"""A secret, and its parts."""

DIGITS = "0123456789"


def core(number: int, length: int = 40, alphabet: str = "hex") -> str:
    """Letters and digits that look random and are different for each `number`."""
    text = sha256(str(number).encode()).hexdigest() * 2
    return (text if alphabet == "hex" else text.translate(str.maketrans("01", "23")).upper())[:length]


def _token(begins: str, length: int = 40) -> Callable[[int], Sample]:
    return lambda number: (f"{begins}{core(number, length)}", (core(number, length)[:16],))


def _pem(number: int) -> Sample:
    lines = [core(number + place, 64) for place in range(3)]
    key = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END RSA " + "PRIVATE KEY-----"
    return key, tuple(line[:16] for line in lines)


def _putty(number: int) -> Sample:
    lines = [core(number + place, 64) for place in range(2)]
    return "PuTTY-User-Key-" + "File-3: ssh-rsa\n" + "\n".join(lines), tuple(line[:16] for line in lines)


def _two(begins: str, between: str) -> Callable[[int], Sample]:
    return lambda number: (f"{begins}{core(number, 24)}{between}{core(number + 1, 40)}", (core(number + 1, 16),))


SAMPLES: dict[str, Callable[[int], Sample]] = {
    "Stripe key": _token("sk_" + "live_", 24),
    "Stripe webhook secret": _token("whsec_", 32),
    "Stripe client secret": _two("pi_", "_secret_"),
    "GitHub token": _token("gh" + "p_", 36),
    "GitHub fine-grained token": _token("github_" + "pat_", 60),
    "GitLab token": _token("gl" + "pat-", 20),
    "GitLab runner token": _token("GR13" + "48941", 20),
    "Slack token": _two("xox" + "b-123456789012-", "-"),
    "Slack app token": _two("xapp" + "-1-", "-"),
    "Slack webhook": lambda number: (
        "https://hooks.slack" + f".com/services/T0/B0/{core(number)}",
        (core(number, 16),),
    ),
    "AWS access key id": lambda number: ("AK" + "IA" + core(number, 16, "base32"), (core(number, 16, "base32"),)),
    "AWS session token": _token("IQoJb3" + "JpZ2lu", 60),
    "Google API key": _token("AI" + "za", 35),
    "Google access token": _token("ya" + "29."),
    "Google refresh token": _token("1/" + "/0"),
    "Google client secret": _token("GOC" + "SPX-", 28),
    "OpenAI or Anthropic key": _token("sk-" + "proj-"),
    "SendGrid key": _two("S" + "G.", "."),
    "Twilio key": _token("S" + "K", 32),
    "Mailgun key": _token("ke" + "y-", 32),
    "Telegram bot token": _token("123456789" + ":AA", 33),
    "npm token": _token("npm" + "_", 36),
    "PyPI token": _token("pypi" + "-", 60),
    "Docker token": _token("dckr_" + "pat_", 27),
    "Hugging Face token": _token("hf" + "_", 34),
    "DigitalOcean token": _token("dop" + "_v1_", 64),
    "Shopify token": _token("shp" + "at_", 32),
    "Square token": _token("sq0" + "atp-", 22),
    "Databricks token": _token("da" + "pi", 32),
    "Vault token": _token("hv" + "s.", 24),
    "Atlassian token": _token("ATA" + "TT3", 60),
    "Grafana token": _token("gl" + "sa_", 41),
    "Sentry token": _token("sntr" + "ys_", 60),
    "Postman key": _two("PM" + "AK-", "-"),
    "New Relic key": _token("NR" + "AK-", 27),
    "Figma token": _token("fig" + "d_"),
    "age key": lambda number: ("AGE-SECRET-" + "KEY-1" + core(number, 58, "base32"), (core(number, 16, "base32"),)),
    "private key (PEM)": _pem,
    "private key (PuTTY)": _putty,
    "JSON Web Token": lambda number: (
        f"eyJhbGciOiJIUzI1NiJ9.eyJ{core(number)}.{core(number + 1)}",
        (core(number + 1, 16),),
    ),
    "Bearer token": _token("Bearer "),
    "Basic credentials": lambda number: (
        "Basic " + b64encode(f"user:{core(number)}".encode()).decode(),
        (b64encode(f"user:{core(number)}".encode()).decode()[8:24],),
    ),
    "user of a URL": lambda number: (f"https://user:{core(number)}@host.example/", (core(number, 16),)),
    "card number": lambda number: _card(number, ""),
    "card number in groups": lambda number: _card(number, " -."[number % 3]),
}


def _card(number: int, separator: str) -> Sample:
    digits = f"4{int(core(number), 16) % 10**14:014d}"
    digits += str(next(check for check in range(10) if luhn(f"{digits}{check}")))
    groups = [digits[at : at + 4] for at in range(0, 16, 4)]
    return separator.join(groups), (digits, separator.join(groups))


def luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812, in a second way."""
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


MISSING = {shape.name for shape in (*TOKENS, *KEYS)} - SAMPLES.keys()
"""Shapes without a sample: there must be none."""
