"""Compare the two sides' responses to one request.

First the status, then the headers that matter, then the bodies by their type:
JSON by structure, HTML as a tree, text by lines, everything else by bytes. If
the statuses are of different classes, the responses are about different things,
and nothing more is compared: that one difference is the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from strangler.comparison.difference import Difference, DifferenceKind, shown
from strangler.comparison.findings import Findings, FoundDifference
from strangler.comparison.headers import (
    compare_header,
    compare_headers,
    is_json,
    is_json_lines,
    is_json_sequence,
    media_type,
    text_of,
)
from strangler.comparison.html import csrf
from strangler.comparison.html import tree as html_tree
from strangler.comparison.html.bodies import compare_html
from strangler.comparison.json import document as json_document
from strangler.comparison.json.bodies import compare_json
from strangler.comparison.response import Response, TooLarge, Undecodable, decoded
from strangler.comparison.rules import Rules
from strangler.comparison.text import compare_bytes, compare_text, described
from strangler.comparison.tolerances import ABSENT

_HTML = frozenset(("text/html", "application/xhtml+xml"))


class Outcome(StrEnum):
    """The outcome for a request whose two responses were to be compared; exactly one of these.

    Comparing two responses gives one of the first four. The others result from
    repeated requests, or from a missing response of the candidate.
    """

    MATCH = "match"
    IGNORED = "ignored"
    MISMATCH = "mismatch"
    NOT_COMPARED = "not compared"
    UNSTEADY = "unsteady"
    LAG = "lag"
    FAILED = "failed to answer"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of comparing two responses.

    `differences` are those that matter, `ignored` those that a rule allows, each
    with the rule's name. `expired` are those among `differences` that a rule
    would allow if it had not expired. `left_out` counts differences beyond those
    listed, `unlisted` those of them that matter. `evidence` is whether the pair
    is evidence about equivalence: two equal errors match but are none. `reason`
    is why a pair was not compared.
    """

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    ignored: tuple[tuple[Difference, str], ...] = ()
    expired: tuple[tuple[Difference, str], ...] = ()
    left_out: int = 0
    unlisted: int = 0
    evidence: bool = True
    reason: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether the two responses are equivalent by the rules."""
        return self.outcome in (Outcome.MATCH, Outcome.IGNORED)

    @property
    def signatures(self) -> set[str]:
        """The signatures of the differences that matter."""
        return {difference.signature for difference in self.differences}


def compare(legacy: Response, extracted: Response, rules: Rules, today: date | None = None) -> Comparison:
    """Compare two responses to the same request.

    Never raises, whatever an upstream has sent; a body that is larger than
    `rules` allow once it is decoded is not compared, for the reason "too big".
    `today` is the day, in UTC, by which rules expire; by default the current day.
    """
    findings = Findings(rules, today or datetime.now(UTC).date())
    if rules.default_rules:
        findings.tokens = csrf.rules_for_cookies(legacy.values(b"set-cookie"), extracted.values(b"set-cookie"))
    try:
        if _compare_statuses(legacy.status, extracted.status, findings):
            compare_headers(legacy, extracted, findings)
            _compare_bodies(legacy, extracted, findings)
    except TooLarge:
        return Comparison(Outcome.NOT_COMPARED, evidence=False, reason="too big")
    harmless = Outcome.IGNORED if findings.ignored else Outcome.MATCH
    outcome = Outcome.MISMATCH if findings.differences else harmless
    return Comparison(
        outcome,
        tuple(findings.differences),
        tuple(findings.ignored),
        tuple(findings.expired),
        findings.left_out,
        findings.unlisted,
        evidence=outcome is Outcome.MISMATCH or legacy.status < 400 or extracted.status < 400,
    )


def _compare_statuses(legacy: int, extracted: int, findings: Findings) -> bool:
    """Compare the statuses; return whether the responses are about the same thing, so that more can be compared."""
    same_class = legacy // 100 == extracted // 100
    if legacy != extracted and not (same_class and findings.rules.status == "class"):
        difference = FoundDifference(
            "status",
            DifferenceKind.VALUE,
            (legacy, extracted),
            (str(legacy), str(extracted)),
            "status",
            f"{legacy} to {extracted}",
            risk="status",
        )
        findings.add(difference, findings.rules.for_statuses(legacy, extracted))
    return same_class


def _compare_bodies(legacy: Response, extracted: Response, findings: Findings) -> None:
    if legacy.body == extracted.body and legacy.encodings == extracted.encodings and _same_types(legacy, extracted):
        return
    passing = findings.rules.body_rules
    one, other = (_decoded(response, findings.rules.decoded_body) for response in (legacy, extracted))
    if (isinstance(one, str) or isinstance(other, str)) and (sides := _as_identity(legacy, extracted, findings)):
        one, other = sides
    if isinstance(one, str) and isinstance(other, str) and legacy.encodings == extracted.encodings:
        compare_bytes(legacy.body, extracted.body, findings, passing)
    elif isinstance(one, str) or isinstance(other, str):
        texts = (
            one if isinstance(one, str) else described(one.body),
            other if isinstance(other, str) else described(other.body),
        )
        findings.add(FoundDifference("body", DifferenceKind.TYPE, texts, texts, "body"), passing)
    elif one.body and other.body:
        if one.body != other.body or not _same_types(one, other):
            _compare_decoded(one, other, findings)
    elif one.body:
        text = described(one.body)
        findings.add(FoundDifference("body", DifferenceKind.MISSING, (text, ABSENT), (text, None), "body"), passing)
    elif other.body:
        text = described(other.body)
        findings.add(FoundDifference("body", DifferenceKind.EXTRA, (ABSENT, text), (None, text), "body"), passing)


def _same_types(legacy: Response, extracted: Response) -> bool:
    """Return whether equal bytes are equal text on both sides."""
    return legacy.values(b"content-type") == extracted.values(b"content-type")


def _as_identity(legacy: Response, extracted: Response, findings: Findings) -> tuple[Response, Response] | None:
    """Return both responses with unknown codings removed, if their bodies are then valid for their type.

    Some servers put a charset into Content-Encoding. Different words there are still a difference.
    """
    unknown = legacy.unknown_encodings, extracted.unknown_encodings
    if not any(unknown):
        return None
    sides = [
        _decoded(response.without_unknown_encodings(), findings.rules.decoded_body) for response in (legacy, extracted)
    ]
    one, other = sides
    if isinstance(one, str) or isinstance(other, str):
        return None
    if one.body != other.body and not (_can_be_read(one) and _can_be_read(other)):
        return None
    if unknown[0] != unknown[1] and b"content-encoding" not in findings.rules.headers:
        compare_header(b"content-encoding", legacy, extracted, findings)
    return one, other


def _can_be_read(response: Response) -> bool:
    """Return whether the body is valid for its media type: JSON, or text without undecodable bytes."""
    family = _family(response)
    if family == "json":
        return _document(response) is not ABSENT
    return family != "bytes" and (text := text_of(response)).whole and "\0" not in text.text


def _compare_decoded(legacy: Response, extracted: Response, findings: Findings) -> None:
    """Compare two different bodies by their declared type."""
    families = _family(legacy), _family(extracted)
    if families[0] != families[1] and any(item.path == "header:content-type" for item in findings.differences):
        return  # the difference of Content-Type covers it
    if legacy.body == extracted.body and ("bytes" in families or text_of(legacy).text == text_of(extracted).text):
        return
    if "json" in families and _compare_as_json(legacy, extracted, findings):
        return
    if families == ("html", "html") and _compare_as_html(legacy, extracted, findings):
        return
    if "bytes" in families:
        compare_bytes(legacy.body, extracted.body, findings, findings.rules.body_rules)
    else:
        compare_text(text_of(legacy).text, text_of(extracted).text, findings, findings.rules.body_rules)


def _decoded(response: Response, most: int) -> Response | str:
    """Return the response with its body decoded, or the error of the body."""
    try:
        return decoded(response, most)
    except Undecodable as error:
        return str(error)


def _family(response: Response) -> str:
    """Return how a body is compared, by its media type, or by its content if it has no type."""
    name, _ = media_type(response)
    if is_json(name) or is_json_lines(name) or is_json_sequence(name):
        return "json"
    if name in _HTML:
        return "html"
    if name.startswith("text/") or name.endswith(("+xml", "/xml", "/javascript", "/x-www-form-urlencoded")):
        return "text"
    if not name and json_document.parse(response.body) is not ABSENT:
        return "json"
    return "bytes"


def _document(response: Response, lines: bool = False) -> object:
    """Parse a body that is declared as JSON, or might be; return ABSENT if it isn't JSON.

    With `lines` it may be JSON Lines under the media type of one document.
    """
    name, parameters = media_type(response)
    charset = parameters.get("charset")
    if is_json_sequence(name):
        return json_document.parse_sequence(response.body, charset)
    if lines or is_json_lines(name):
        return json_document.parse_lines(response.body, charset)
    return json_document.parse(response.body, charset)


def _compare_as_json(legacy: Response, extracted: Response, findings: Findings) -> bool:
    """Compare two bodies, one of which is declared as JSON; return whether either side is JSON."""
    documents = [_document(response) for response in (legacy, extracted)]
    if documents[0] is ABSENT or documents[1] is ABSENT:
        in_lines = [_document(response, lines=True) for response in (legacy, extracted)]
        if all(parsed and parsed is not ABSENT for parsed in in_lines):
            documents = in_lines
    if documents[0] is ABSENT and documents[1] is ABSENT:
        return False
    if documents[0] is ABSENT or documents[1] is ABSENT:
        said = ["no JSON" if document is ABSENT else "JSON" for document in documents]
        texts = f"{said[0]}: {shown(text_of(legacy).text)}", f"{said[1]}: {shown(text_of(extracted).text)}"
        change = f"{said[0]} to {said[1]}"
        difference = FoundDifference("body", DifferenceKind.TYPE, texts, texts, "body", change)
        findings.add(difference, findings.rules.body_rules)
    else:
        compare_json(documents[0], documents[1], findings, findings.rules.body_rules)
    return True


def _compare_as_html(legacy: Response, extracted: Response, findings: Findings) -> bool:
    """Compare two pages; return whether both could be parsed as pages."""
    trees = html_tree.parse_both(
        (text_of(legacy).text, text_of(extracted).text), findings.rules.html_rules, findings.rules.default_rules
    )
    if trees is None:
        return False
    compare_html(*trees, findings, findings.rules.body_rules)
    return True
