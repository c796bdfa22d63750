"""`strangler shadow show --pytest`: a stored pair as a test file that sends the request to both sides again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strangler.redaction.redaction import REDACTED
from strangler.replay.recorded import fields_of


class NoTest(Exception):
    """A pair holds too little for a test; the message names what is missing."""


def test_file(pair: Mapping[str, Any], config: Path) -> str:
    """The text of a test file for the stored pair `found`, by the rules of `config`. Raises NoTest."""
    request = pair["request"]
    if not pair["values"]:
        raise NoTest(f"only digests of pair {pair['id']} are stored; a test requires `store: values` in its migration")
    if request["body"] is None:
        raise NoTest(f"the body of pair {pair['id']} is not text, so it is not stored")
    return "\n".join([*_lines(pair, request, config), ""])


def _lines(pair: Mapping[str, Any], request: Mapping[str, Any], config: Path) -> Iterator[str]:
    at = datetime.fromtimestamp(pair["at"], UTC).isoformat(timespec="seconds")
    fields, redacted = fields_of(request["headers"])
    differences = list(dict.fromkeys(f"{one['kind']} at {one['path']}" for one in pair["differences"]))
    token = any(name.lower() == "authorization" for name in redacted)
    said = ", ".join(differences[:3]) or "equal"
    yield f'"""Pair {pair["id"]} of migration {pair["migration"]}, {at}: {_plain(said)}."""'
    yield ""
    yield "import os"
    yield ""
    yield "from strangler.testing import Asker, RecordedRequest, assert_equivalent, load_rules"
    yield ""
    for side in ("legacy", "extracted"):
        yield f'{side.upper()} = os.environ.get("{side.upper()}_URL", {_text(pair[side]["endpoint"])})'
    if token:
        yield "# The caller's token is not stored: set one with the same permissions."
        yield 'HEADERS = [("Authorization", f"Bearer {os.environ[\'TOKEN\']}")]'
    others = [name for name in redacted if name.lower() != "authorization"]
    if others:
        yield f"# Not stored, and so not sent: {', '.join(others)}."
    if REDACTED in request["target"] or REDACTED in request["body"]:
        yield f"# Parts of the request are not stored: replace {REDACTED} with values."
    yield from _request(request, fields)
    yield ""
    yield ""
    yield f"def {_name(request)}():"
    yield f"    with Asker(host={_text(_host(request))}{', headers=HEADERS' if token else ''}) as ask:"
    yield "        legacy, extracted = ask(LEGACY, REQUEST), ask(EXTRACTED, REQUEST)"
    yield f"    assert_equivalent(legacy, extracted, load_rules({_text(str(config))}, {_text(pair['migration'])}))"


def _request(request: Mapping[str, Any], fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "REQUEST = RecordedRequest("
    yield f"    {_text(request['method'])},"
    yield f"    {_text(request['target'])},"
    if fields:
        yield "    headers=("
        yield from (f"        ({_text(name)}, {_text(value)})," for name, value in fields)
        yield "    ),"
    if request["body"]:
        yield f"    body={_text(request['body'])}.encode(),"
    yield ")"


def _name(request: Mapping[str, Any]) -> str:
    path = request["target"].partition("?")[0].lower()
    words = re.sub(r"[^a-z0-9]+", "_", f"{request['method'].lower()}{path}").strip("_")
    return f"test_{words[:60]}"


def _host(request: Mapping[str, Any]) -> str:
    return next((str(value) for name, value in request["headers"] if name.lower() == "host"), "localhost")


def _plain(text: str) -> str:
    """A text as it can stand in a docstring."""
    return text.translate({ord('"'): "'", ord("\\"): "/"})


def _text(text: str) -> str:
    """A text as a literal; what JSON writes is Python, too."""
    return json.dumps(text, ensure_ascii=False)
