"""The labelled corpus: pairs of responses from YAML, each with the outcome that a person gives."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brotli
import yaml

from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.difference import DifferenceKind
from strangler.comparison.response import Response
from strangler.comparison.rules import Rules
from strangler.config.compile.compare import compile_rules
from strangler.config.schema.compare import CompareSection

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CORPUS = Path(__file__).parent / "corpus"

_TYPES = {
    "json": "application/json",
    "elements": "application/json",
    "nested": "application/json",
    "html": "text/html; charset=utf-8",
    "rows": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "lines": "text/plain; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "bytes": "application/octet-stream",
}
_CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}


@dataclass(frozen=True)
class Verdict:
    """What a comparison should say; `paths` None where only the kinds of differences are given."""

    kinds: tuple[str, ...]
    paths: tuple[str, ...] | None
    ignored: frozenset[str]
    evidence: bool
    reason: str | None

    @property
    def outcome(self) -> Outcome:
        """The outcome that this is."""
        if self.reason is not None:
            return Outcome.NOT_COMPARED
        if self.kinds:
            return Outcome.MISMATCH
        return Outcome.IGNORED if self.ignored else Outcome.MATCH

    def labels(self) -> list[str]:
        """DifferenceKind and path of each difference."""
        return sorted(self.kinds if self.paths is None else map(" ".join, zip(self.kinds, self.paths, strict=True)))


@dataclass(frozen=True)
class Pair:
    """One pair of the corpus."""

    name: str
    legacy: Response
    extracted: Response
    rules: Rules
    verdict: Verdict

    def compared(self) -> Comparison:
        """What the engine says."""
        return compare(self.legacy, self.extracted, self.rules)

    def found(self, comparison: Comparison) -> list[str]:
        """The differences that the engine found, as the verdict writes them."""
        if self.verdict.paths is None:
            return sorted(difference.kind for difference in comparison.differences)
        return sorted(f"{difference.kind} {difference.path}" for difference in comparison.differences)


def pairs() -> Iterator[Pair]:
    """All pairs, file by file."""
    for file in sorted(CORPUS.glob("*.yaml")):
        for written in yaml.safe_load(file.read_text(encoding="utf-8")):
            yield Pair(
                name=f"{file.stem}: {written['name']}",
                legacy=_answer(**written["legacy"]),
                extracted=_answer(**written["extracted"]),
                rules=compile_rules(CompareSection.model_validate(written.get("compare", {}))),
                verdict=_verdict(written["expect"]),
            )


def _verdict(written: Any) -> Verdict:
    if written == "equal":
        written = {}
    if isinstance(written, list):
        written = {"differences": written}
    unknown = set(written) - {"differences", "kinds", "ignored", "evidence", "not compared"}
    assert not unknown, f"a verdict has no {unknown}"
    split = [_split(label) for label in written.get("differences", [])]
    reason = written.get("not compared")
    return Verdict(
        kinds=tuple(written.get("kinds", [kind for kind, _ in split])),
        paths=None if "kinds" in written else tuple(path for _, path in split),
        ignored=frozenset(written.get("ignored", [])),
        evidence=written.get("evidence", reason is None),
        reason=reason,
    )


def _split(label: str) -> tuple[str, str]:
    for kind in DifferenceKind:
        if label.startswith(f"{kind} "):
            return kind, label.removeprefix(f"{kind} ")
    raise ValueError(f"{label!r} begins with no kind of difference")


def _answer(
    status: int = 200,
    headers: list[str] | None = None,
    type: str | None = None,
    charset: str = "utf-8",
    coding: str | None = None,
    **body: Any,
) -> Response:
    ((kind, content),) = body.items()
    said = [line.partition(": ") for line in headers or []]
    found = [(name.encode(), value.encode()) for name, _, value in said]
    if type != "none":
        found.insert(0, (b"Content-Type", (type or _TYPES[kind]).encode()))
    sent = _body(kind, content, charset)
    if coding is not None:
        found.append((b"Content-Encoding", coding.encode()))
        sent = _CODINGS[coding](sent)
    return Response(status, tuple(found), sent)


def _body(kind: str, content: Any, charset: str) -> bytes:
    match kind:
        case "bytes":
            return bytes.fromhex(str(content))
        case "elements":
            return f"[{', '.join(_made(**content))}]".encode()
        case "lines":
            return "\n".join(_made(**content)).encode()
        case "rows":
            return f"<table><tbody>{''.join(_made(**content))}</tbody></table>".encode()
        case "nested":
            return ("[" * content["depth"] + content["inside"] + "]" * content["depth"]).encode()
        case _:
            return str(content).encode(charset)


def _made(
    to: int, each: str, without: tuple[int, ...] = (), changed: dict[int, str] | None = None, **other: int
) -> list[str]:
    return [
        (changed or {}).get(number, each.replace("#", str(number)))
        for number in range(other.get("from", 1), to + 1)
        if number not in without
    ]
