"""Redaction reads a text once, whatever it holds: counted in the steps of its patterns, not in time."""

from __future__ import annotations

import re

import pytest

from strangler.observe import access_log
from strangler.redaction import bodies, markup, redaction, shapes
from strangler.redaction import text as secret_text
from strangler.redaction.redaction import Redaction
from tests.redaction.counted_regex import CountedRegex
from tests.redaction.secret_samples import SAMPLES

MODULES = (shapes, secret_text, markup, access_log, redaction, bodies)
SHORT = ("bodies._MARKUP", "redaction._COUNTS", "redaction._OF_FIELD", "redaction._UNFINISHED")
"""These see a media type, the beginning of a path, or a value as it is shown (MOST_TEXT), never a whole body."""

PATTERNS = {
    full_name: pattern
    for module in MODULES
    for name, pattern in vars(module).items()
    if isinstance(pattern, re.Pattern) and (full_name := f"{module.__name__.rpartition('.')[2]}.{name}") not in SHORT
}

ANCHORED = ("text._VALUE_BEGINS", "text._NOTHING_FOLLOWS", "markup._TAG_ENDS")
"""These are not searched for, but tried behind what was read."""

HOSTILE = [
    *(
        "eyJ",
        "eyJaaaaaaaa.",
        "eyJa.",
        "//",
        "//a",
        "https://a",
        "bearer ",
        "Bearer  ",
        "Basic a",
        "basic",
        "b",
        "?key=",
    ),
    *(
        "&amp;",
        "&code=a",
        "sk_",
        "sk_live_",
        "sk_live_a",
        "rk_test_ ",
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxb-1",
    ),
    *(
        "xapp-1-",
        "hooks.slack.com/",
        "AKIA",
        "AKIA0",
        "AIza",
        "ya29.",
        "1//0",
        "SG.",
        "SG.a",
        "SG.aaaaaaaaaaaaaaaaaaaa.",
    ),
    *("pi_", "pi_aaaaaaaa", "pi_aaaaaaaa_secret_", "key-", "key-0", "sntrys_", "PMAK-", "PMAK-00000000000000000000-"),
    *("-----BEGIN ", "-----BEGIN A ", "-----BEGIN PRIVATE KEY", "-----", "----END ", "PRIVATE KEY", ":AA", "0:AA", "4"),
    *("41", "4 ", "4111 ", "4111 1111 ", "4111-1111-1111-1111 ", "411111111111111 ", "37", "3782 822463 ", "4.", "0.4"),
    *(
        "<",
        "<a ",
        "<a b=",
        "<a b='",
        "a=",
        "token=",
        "[",
        '"',
        "\\",
        "\\u",
        "%",
        "%2",
        "&#",
        "&#x",
        "&a",
        " ",
        "-",
        ".",
        "=",
    ),
]


@pytest.mark.parametrize("name", PATTERNS)
def test_steps_grow_as_the_text_does(name: str) -> None:
    counted = CountedRegex(PATTERNS[name])
    for repeated in HOSTILE:
        steps = []
        for length in (200, 400):
            for text in (repeated * (length // len(repeated)), f"{repeated * (length // len(repeated))}!"):
                counted.steps = 0
                if name in ANCHORED:
                    counted.begins(text)
                else:
                    counted.spans(text)
                steps.append(counted.steps / len(text))
        # A pattern that reads a text again from each beginning in it takes twice as many a character.
        assert max(steps[2:]) < 1.3 * max(steps[:2]) + 8, repeated


@pytest.mark.parametrize(
    ("name", "repeated", "length"),
    [
        ("shapes._TOKEN", f"//{'x' * 40} ", 200_000),
        ("shapes._TOKEN", "eyJa.", 50_000),
        ("shapes._TOKEN", "sk_live_", 50_000),
        ("shapes._TOKEN", "4111 1111 ", 50_000),
        ("shapes._CARD", "4111 1111 ", 50_000),
        ("access_log._TOKEN", "eyJaaaaaaaa.", 50_000),
    ],
)
def test_a_long_text_takes_as_many_steps_a_character_as_a_line(name: str, repeated: str, length: int) -> None:
    counted, steps = CountedRegex(PATTERNS[name]), []
    for now in (1_000, length):
        counted.steps = 0
        counted.spans(repeated * (now // len(repeated)))
        steps.append(counted.steps / now)
    assert steps[1] < 1.1 * steps[0] + 1
    assert steps[1] < 64


@pytest.mark.parametrize(
    "repeated", ["eyJa.", "sk_live_", "4111 1111 ", "//a", "bearer ", "pi_aaaaaaaa", "&#", '"', "<a"]
)
def test_a_megabyte_is_redacted_to_its_end(repeated: str) -> None:
    shown = Redaction().body("text/plain", (repeated * (1_000_000 // len(repeated))).encode() + b"\npassword=S3cret")
    assert shown is not None
    assert "S3cret" not in shown


def test_steps_are_counted_of_the_same_search() -> None:
    texts = [sample(number)[0] for sample in SAMPLES.values() for number in range(3)]
    texts += [f"a {text} b, {text[:12]} {text[3:]}" for text in texts]
    texts += [repeated * 20 for repeated in HOSTILE]
    for name, pattern in PATTERNS.items():
        counted = CountedRegex(pattern)
        for text in texts:
            engine = [found.span() for found in pattern.finditer(text)]
            mine = counted.spans(text)
            # An empty match may follow another one directly in the engine.
            assert [one for one in mine if one[0] < one[1]] == [one for one in engine if one[0] < one[1]], (name, text)


def test_steps_of_a_pattern_that_is_not_linear_are_seen() -> None:
    counted, steps = CountedRegex(re.compile(r"a+b")), []
    for length in (400, 800):
        counted.steps = 0
        counted.spans("a" * length)
        steps.append(counted.steps / length)
    assert steps[1] > 1.3 * steps[0] + 8
