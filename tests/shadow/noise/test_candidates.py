"""Candidates that are wrong in a volatile field are not hidden by noise, and those that are right raise no alarm.

Each is run for 1,000 made-up requests: what legacy varies by itself has been
learned after 500 of them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.shadow.noise.noise_simulation import Moment, Outcome, Side, simulate, uuid_of

PAIRS, LEARNED_BY = 1000, 500

Document = dict[str, Any]


def iso(moment: Moment, **shift: float) -> str:
    """The present time in milliseconds, shifted."""
    return (moment.at + timedelta(**shift)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def masked(moment: Moment) -> str:
    """A random token of 32 letters and digits."""
    return "".join(moment.chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=32))


def tags(moment: Moment) -> list[str]:
    return moment.chance.sample(["wood", "black", "grand", "new"], 4)


FIELDS: dict[str, Callable[[Moment], Any]] = {
    "id": lambda moment: moment.number % 50,
    "owner": lambda moment: f"3f2a{moment.number % 50:04x}-aaaa-4bbb-8ccc-0123456789ab",
    "price": lambda moment: 12.5,
    "request": lambda moment: uuid_of(moment.chance),
    "span": lambda moment: uuid_of(moment.chance),
    "at": iso,
    "served": lambda moment: int(moment.at.timestamp()),
    "took": lambda moment: moment.chance.uniform(8, 20),
    "counter": lambda moment: moment.count("views"),
    "trace": lambda moment: f"{moment.chance.getrandbits(64):016x}",
    "csrf": masked,
    "text": lambda moment: f"Rendered in {moment.chance.randrange(8, 30)} ms",
    "tags": tags,
    "flaky": lambda moment: moment.chance.choice((f"{moment.chance.getrandbits(64):016x}", "4be2b1a09c7d5e3f")),
    "mood": lambda moment: moment.chance.choice(("a", "b", "c")),
}
"""A product as legacy shows it: most fields differ in any two responses, some in some."""


def legacy_of(*names: str) -> Side:
    """Legacy with these fields, and those that never vary."""
    return lambda moment: {name: FIELDS[name](moment) for name in ("owner", "price", *names)}


Field = tuple[str, Callable[[Moment, Document], Any]]


def with_field(name: str, value: Callable[[Moment, Document], Any]) -> Field:
    """A candidate that is like legacy but for one field."""
    return name, value


def run(field: Field, seed: int = 1, pairs: int = PAIRS) -> Outcome:
    """What becomes of the candidate's requests."""
    name, value = field
    legacy = legacy_of(*dict.fromkeys(("span", name)))

    def candidate(moment: Moment) -> Document:
        document = legacy(moment)
        return {**document, name: value(moment, document)}

    return simulate(legacy, candidate, pairs, seed)


def before(name: str) -> Callable[[Moment, Document], Any]:
    """What legacy said in a field in the request before."""
    return lambda moment, document: moment.legacy[-1][name] if moment.legacy else document[name]


WRONG = {
    "a constant UUID": with_field("request", lambda moment, document: "6fa459ea-ee8a-4ca4-894e-db77e160355e"),
    "the nil UUID": with_field("request", lambda moment, document: "00000000-0000-0000-0000-000000000000"),
    "two constant UUIDs in turn": with_field(
        "request", lambda moment, document: f"6fa459ea-ee8a-4ca4-894e-db77e160355{moment.count('turn') % 2}"
    ),
    "the UUID of another volatile field": with_field("request", lambda moment, document: document["span"]),
    "the UUID of a field that does not vary": with_field("request", lambda moment, document: document["owner"]),
    "legacy's UUID of the request before": with_field("request", before("request")),
    "an empty UUID": with_field("request", lambda moment, document: ""),
    "a UUID without hyphens": with_field("request", lambda moment, document: document["request"].replace("-", "")),
    "null in place of a UUID": with_field("request", lambda moment, document: None),
    "a number in place of a UUID": with_field("request", lambda moment, document: moment.chance.getrandbits(60)),
    "undefined in place of a UUID": with_field("request", lambda moment, document: "undefined"),
    "a time that never was set": with_field("at", lambda moment, document: "1970-01-01T00:00:00Z"),
    "a constant time": with_field("at", lambda moment, document: "2026-03-01T10:00:30.123Z"),
    "a time an hour off": with_field("at", lambda moment, document: iso(moment, hours=1)),
    "a time ten seconds late": with_field("at", lambda moment, document: iso(moment, seconds=-10)),
    "a time without its zone": with_field("at", lambda moment, document: document["at"].removesuffix("Z")),
    "a time without its day": with_field("at", lambda moment, document: document["at"][11:-1]),
    "an empty time": with_field("at", lambda moment, document: ""),
    "seconds in place of a time": with_field("at", lambda moment, document: int(moment.at.timestamp())),
    "milliseconds in place of seconds": with_field("served", lambda moment, document: document["served"] * 1000),
    "seconds an hour off": with_field("served", lambda moment, document: document["served"] - 3600),
    "zero seconds": with_field("served", lambda moment, document: 0),
    "minus one": with_field("took", lambda moment, document: -1),
    "a constant number": with_field("took", lambda moment, document: 12.5),
    "seconds in place of milliseconds": with_field("took", lambda moment, document: document["took"] * 1000),
    "a number as text": with_field("took", lambda moment, document: str(document["took"])),
    "minus one for a counter": with_field("counter", lambda moment, document: -1),
    "a counter that starts at zero again": with_field(
        "counter", lambda moment, document: moment.count("own") if moment.number > 200 else document["counter"]
    ),
    "a token that is too short": with_field("trace", lambda moment, document: document["trace"][:8]),
    "a token that is too long": with_field("trace", lambda moment, document: document["trace"] * 2),
    "a token in upper case": with_field("trace", lambda moment, document: document["trace"].upper()),
    "a token of zeros": with_field("trace", lambda moment, document: "0" * 16),
    "a token that legacy once showed": with_field("trace", lambda moment, document: "4be2b1a09c7d5e3f"),
    "legacy's token of the request before": with_field("trace", before("trace")),
    "a token by request": with_field("csrf", lambda moment, document: f"{moment.number:032x}"),
    "an error in place of a token": with_field("csrf", lambda moment, document: "[object Object]"),
    "another wording": with_field("text", lambda moment, document: document["text"].replace("Rendered", "Failed")),
    "a wording without its number": with_field("text", lambda moment, document: "Rendered in NaN ms"),
    "a number in a wording that is far off": with_field(
        "text", lambda moment, document: f"Rendered in {moment.chance.randrange(8000, 30000)} ms"
    ),
    "a value that never agrees where legacy often does": with_field(
        "flaky", lambda moment, document: f"{moment.chance.getrandbits(64):016x}"
    ),
    "a list of other elements": with_field("tags", lambda moment, document: [*tags(moment)[:3], "old"]),
    "a list without elements": with_field("tags", lambda moment, document: []),
    "a value that legacy never shows": with_field("mood", lambda moment, document: "d"),
    "a list in place of a text": with_field("mood", lambda moment, document: [document["mood"]]),
    "a wrong price beside all that varies": with_field("price", lambda moment, document: 13),
}


@pytest.mark.parametrize("candidate", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_in_a_volatile_field_is_a_mismatch(candidate: Field) -> None:
    outcome = run(candidate)
    assert outcome.since(LEARNED_BY) >= 0.6 * (PAIRS - LEARNED_BY), outcome.noise.learned()


RIGHT = {
    "the same": with_field("request", lambda moment, document: document["request"]),
    "the same token": with_field("csrf", lambda moment, document: document["csrf"]),
    "the same that often agrees": with_field("flaky", lambda moment, document: document["flaky"]),
    "the same of a few values": with_field("mood", lambda moment, document: document["mood"]),
    "the same order by chance": with_field("tags", lambda moment, document: document["tags"]),
    "clocks a second apart": with_field("at", lambda moment, document: iso(moment, seconds=1)),
    "clocks a second behind": with_field("at", lambda moment, document: iso(moment, seconds=-1)),
    "clocks a second behind, in seconds": with_field("served", lambda moment, document: document["served"] - 1),
    "faster": with_field("took", lambda moment, document: moment.chance.uniform(2, 9)),
    "its own counter beside legacy's": with_field("counter", lambda moment, document: document["counter"] + 3),
    "a list that is sorted": with_field("tags", lambda moment, document: sorted(document["tags"])),
    "faster in its wording": with_field(
        "text", lambda moment, document: f"Rendered in {moment.chance.randrange(2, 9)} ms"
    ),
}


@pytest.mark.parametrize("candidate", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_candidate_raises_no_alarm(candidate: Field) -> None:
    for seed in range(2):
        outcome = run(candidate, seed)
        assert outcome.since(LEARNED_BY) == 0, outcome.noise.learned()
