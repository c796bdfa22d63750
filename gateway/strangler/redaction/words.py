"""The words by which the name of a secret is recognised; the documentation is generated from them.

Words are in lower case; a space stands for any separator or none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Words for secrets of one kind: anywhere in a name, at its end, as words of it, or the whole of it."""

    title: str
    within: tuple[str, ...] = ()
    at_end: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    exactly: tuple[str, ...] = ()


_OF_KEYS = (
    *("access", "account", "api", "app", "auth", "client", "consumer", "encryption", "functions", "hmac", "licence"),
    *("license", "master", "private", "secret", "service", "session", "shared", "signing", "ssh", "subscription"),
    *("webhook",),
)
_OF_CODES = (
    *("2fa", "access", "activation", "auth", "authentication", "backup", "confirmation", "device", "login", "mfa"),
    *("one time", "otp", "recovery", "reset", "security", "sms", "totp", "two factor", "unlock", "verification"),
)
_OF_PASSES = ("admin", "db", "key", "login", "my", "new", "old", "store", "user")

GROUPS = (
    Group(
        "Passwords",
        within=("password", "passwd", "passwod", "passwrd", "passphrase", "passcode", "pwd", "pswd", "credential"),
        at_end=tuple(f"{kind} pass" for kind in _OF_PASSES),
        exactly=("pass", "pin", "pw"),
    ),
    Group(
        "Tokens and keys",
        within=(
            *("token", "secret", "jwt", "csrf", "xsrf", "authorization", "authorisation", "authentication info"),
            *(f"{kind} key" for kind in _OF_KEYS),
            *("saml response", "code verifier", "kubeconfig", "magic link"),
        ),
        at_end=("bearer", "assertion"),
        words=("psk", "mnemonic", "seed phrase", "recovery phrase"),
        exactly=("auth", "basic auth", "x auth"),
    ),
    Group(
        "Sessions and cookies",
        within=("session id", "sess id"),
        at_end=("cookie", "cookies", "cookie2", "cookies2"),
        exactly=("session", "sid"),
    ),
    Group(
        "Signatures",
        within=("amz signature", "goog signature", "hub signature", "webhook signature"),
        words=("hmac",),
        exactly=("sig", "signature", "x signature"),
    ),
    Group(
        "One-time codes",
        within=(*(f"{kind} code" for kind in _OF_CODES), "totp"),
        at_end=("otp",),
    ),
    Group(
        "Connections",
        within=("connection string", "conn string", "connection uri", "database url", "db url", "database uri"),
        words=("dsn",),
    ),
    Group(
        "Money",
        within=(
            *("card number", "credit card", "debit card", "card holder", "card expiry", "card expiration"),
            *("card verification", "primary account number", "account number", "bank account", "routing number"),
            *("pin block", "mag stripe", "track data"),
        ),
        words=(
            *("iban", "cvc", "cvc2", "cvv", "cvv2", "card no", "cc no", "cc number", "cc num", "card num", "card pan"),
            *("pan number", "account no", "acct no", "acct number", "sort code", "card pin", "track1", "track2"),
        ),
        exactly=("pan", "csc"),
    ),
    Group(
        "Identity",
        within=(
            *("social security", "social insurance", "national id", "national insurance", "national identity"),
            *("taxpayer id", "passport number", "passport no", "driver license", "driver licence", "drivers license"),
            *(
                "drivers licence",
                "driving license",
                "driving licence",
                "identity card",
                "id card number",
                "date of birth",
            ),
            *("mothers maiden", "mother maiden", "maiden name", "aadhaar", "personnummer", "biometric"),
        ),
        words=(
            *("ssn", "dob", "birth date", "birthday", "passport", "tax id", "tax number", "id number", "itin", "bsn"),
            *("cpf", "curp", "nric", "steuer id"),
        ),
        exactly=("nino", "tin"),
    ),
    Group(
        "Health",
        within=(
            *("medical record", "medical history", "medical condition", "health record", "health insurance"),
            *("insurance number", "diagnosis", "diagnoses", "medication", "prescription", "nhs number", "blood type"),
            *("blood group", "lab result"),
        ),
        words=("mrn", "patient id", "patient number", "allergies", "icd code", "icd10", "hiv", "vaccination"),
    ),
)

EXCEPT = {"secret": "ar[iy]", "token": "i[sz]"}
"""What must not follow: `secretary` and `tokenizer` hold no secret."""

ABOUT = (
    *("age", "algorithm", "at", "brand", "budget", "changed", "count", "country", "created", "day", "days", "disabled"),
    *("enabled", "endpoint", "expired", "expires", "expiry", "expiration", "format", "hour", "in", "input", "issued"),
    *("kind", "label", "last", "length", "lifetime", "limit", "max", "maximum", "method", "methods", "min", "minimum"),
    *("minute", "modified", "name", "on", "per", "policy", "present", "rate", "remaining", "required", "rotated"),
    *("second", "seconds", "size", "status", "strength", "supported", "timestamp", "title", "total", "ttl", "type"),
    *("types", "updated", "usage", "used", "valid", "verified", "version"),
)
"""What follows in the names of what is no secret, but about one."""

ASKED = ("has", "is", "needs", "requires", "uses")
"""Prefixes of the names of values that state whether there is a secret."""

NOT_SECRET = frozenset(("accesscontrolallowcredentials", "signatureinput"))

IN_QUERIES = frozenset(("key", "hmac", "ticket"))
"""Names in a query, where keys and signatures are called so; elsewhere they are too common."""

IN_HEADERS = ("signature", "hmac", "sig")
"""Words of names of header fields: webhooks are signed in fields of many names."""

ENDING_HEADERS = ("auth",)
"""The last words of names of header fields."""
