"""Compare the two sides' answers to one request.

First the status, then the headers that matter, then the bodies by what they
are: JSON by structure, HTML as a tree, text by lines, all else by bytes.
Where the statuses are of different classes the answers are about different
things, and nothing more is compared: that one difference says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from gateway.shadow import html_tree, json_document
from gateway.shadow.acceptance import ABSENT
from gateway.shadow.answer import Answer, TooLarge, Undecodable, decoded
from gateway.shadow.difference import Difference, Kind, shown
from gateway.shadow.findings import Findings
from gateway.shadow.headers import compare_headers, is_json, media_type
from gateway.shadow.html_bodies import compare_html
from gateway.shadow.json_bodies import compare_json
from gateway.shadow.rules import Rules
from gateway.shadow.text_bodies import compare_bytes, compare_text, described


class Outcome(StrEnum):
    """What became of a request whose two responses were to be compared; exactly one of these.

    Comparing two responses gives one of the first four. The others are found
    out by asking again, or by there being no response of the candidate.
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
    """What comparing two answers found.

    `differences` are those that matter, `ignored` those that a rule lets pass,
    each with the rule's name. `expired` are those among `differences` that a
    rule would let pass had its time not run out. `left_out` counts differences
    beyond those that are listed. `evidence` is whether the pair says anything
    about equivalence: two equal errors match and say nothing. `reason` says why
    a pair was not compared.
    """

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    ignored: tuple[tuple[Difference, str], ...] = ()
    expired: tuple[tuple[Difference, str], ...] = ()
    left_out: int = 0
    evidence: bool = True
    reason: str | None = None


def compare(legacy: Answer, extracted: Answer, rules: Rules, today: date | None = None) -> Comparison:
    """Compare two answers to the same request.

    Never raises for what an upstream may have sent; a body that is larger than
    `rules` allow once it is decoded is not compared, for the reason "too big".
    `today` is the day on which rules expire, in UTC; the present one unless
    given.
    """
    findings = Findings(rules, today or datetime.now(UTC).date())
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
        evidence=outcome is Outcome.MISMATCH or legacy.status < 400 or extracted.status < 400,
    )


def _compare_statuses(legacy: int, extracted: int, findings: Findings) -> bool:
    """Compare the statuses; whether the answers are about the same thing, so that more can be compared."""
    same_class = legacy // 100 == extracted // 100
    if legacy != extracted and not (same_class and findings.rules.status == "class"):
        findings.add(
            "status",
            Kind.VALUE,
            (legacy, extracted),
            findings.rules.for_statuses(legacy, extracted),
            (str(legacy), str(extracted)),
            "status",
            f"{legacy} to {extracted}",
            risk="status",
        )
    return same_class


def _compare_bodies(legacy: Answer, extracted: Answer, findings: Findings) -> None:
    if legacy.body == extracted.body and legacy.encodings == extracted.encodings:
        return
    passing = findings.rules.body_rules
    one, other = (_decoded(answer, findings.rules.decoded_body) for answer in (legacy, extracted))
    if isinstance(one, str) and isinstance(other, str) and legacy.encodings == extracted.encodings:
        compare_bytes(legacy.body, extracted.body, findings, passing)
    elif isinstance(one, str) or isinstance(other, str):
        texts = (
            one if isinstance(one, str) else described(one.body),
            other if isinstance(other, str) else described(other.body),
        )
        findings.add("body", Kind.TYPE, texts, passing, texts, "body")
    elif one.body and other.body:
        if one.body != other.body:
            _compare_decoded(one, other, findings)
    elif one.body:
        text = described(one.body)
        findings.add("body", Kind.MISSING, (text, ABSENT), passing, (text, None), "body")
    elif other.body:
        text = described(other.body)
        findings.add("body", Kind.EXTRA, (ABSENT, text), passing, (None, text), "body")


def _compare_decoded(legacy: Answer, extracted: Answer, findings: Findings) -> None:
    """Compare two bodies that differ by what they are said to be."""
    families = _family(legacy), _family(extracted)
    if families[0] != families[1] and any(item.path == "header:content-type" for item in findings.differences):
        return  # the content type says it already
    if "json" in families and _compare_as_json(legacy, extracted, findings):
        return
    if families == ("html", "html") and _compare_as_html(legacy, extracted, findings):
        return
    if "bytes" in families:
        compare_bytes(legacy.body, extracted.body, findings, findings.rules.body_rules)
    else:
        compare_text(_text(legacy), _text(extracted), findings, findings.rules.body_rules)


def _decoded(answer: Answer, most: int) -> Answer | str:
    """The answer with its body decoded, or what is wrong with the body."""
    try:
        return decoded(answer, most)
    except Undecodable as error:
        return str(error)


def _family(answer: Answer) -> str:
    """How a body is compared, by its media type; one without a type by what is in it."""
    name, _ = media_type(answer)
    if is_json(name):
        return "json"
    if name in ("text/html", "application/xhtml+xml"):
        return "html"
    if name.startswith("text/") or name.endswith(("+xml", "/xml", "/javascript", "/x-www-form-urlencoded")):
        return "text"
    if not name and json_document.parse(answer.body) is not ABSENT:
        return "json"
    return "bytes"


def _compare_as_json(legacy: Answer, extracted: Answer, findings: Findings) -> bool:
    """Compare two bodies one of which is said to be JSON; whether there was JSON on any side."""
    documents = [json_document.parse(answer.body) for answer in (legacy, extracted)]
    if documents[0] is ABSENT and documents[1] is ABSENT:
        return False
    if documents[0] is ABSENT or documents[1] is ABSENT:
        said = ["no JSON" if document is ABSENT else "JSON" for document in documents]
        texts = f"{said[0]}: {shown(_text(legacy))}", f"{said[1]}: {shown(_text(extracted))}"
        findings.add("body", Kind.TYPE, texts, findings.rules.body_rules, texts, "body", f"{said[0]} to {said[1]}")
    else:
        compare_json(documents[0], documents[1], findings, findings.rules.body_rules)
    return True


def _compare_as_html(legacy: Answer, extracted: Answer, findings: Findings) -> bool:
    """Compare two pages; whether both could be taken for pages."""
    trees = [html_tree.parse(_text(answer), findings.rules.html_rules) for answer in (legacy, extracted)]
    if trees[0] is None or trees[1] is None:
        return False
    compare_html(trees[0], trees[1], findings, findings.rules.body_rules)
    return True


def _text(answer: Answer) -> str:
    """The body as text, by its charset or as UTF-8; what is no text is replaced."""
    charset = media_type(answer)[1].get("charset", "utf-8")
    try:
        return answer.body.decode(charset, "replace").removeprefix("\ufeff")
    except (LookupError, ValueError):
        return answer.body.decode("utf-8", "replace")
