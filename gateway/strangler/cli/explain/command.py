"""`strangler explain`: reads the command line, rehearses the request, prints the explanation."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path

import orjson

from strangler.auth.certificate import ClientCertificate, certificate_from
from strangler.cli.claims import parse_claims
from strangler.cli.explain.explanation import explanation_of
from strangler.cli.explain.text import lines_of
from strangler.cli.validate import print_problems
from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.config.values.callers import CERTIFICATE_NAMES
from strangler.config.values.http_syntax import parse_header_name, parse_method
from strangler.model.snapshot import Snapshot
from strangler.proxy.http.headers import is_host
from strangler.routing.rehearse import Hypothetical, Rehearsal, rehearse

_TARGET = re.compile(r"[!\"$-~]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Question:
    """The command line of `strangler explain`: a request, as text."""

    method: str
    target: str
    headers: list[str]
    claims: list[str]
    certificate: list[str]
    address: str

    def rehearse(self, snapshot: Snapshot) -> Rehearsal:
        """What `snapshot` does with it. `check` has found nothing wrong with it."""
        asked = Hypothetical(
            self.method,
            self.target,
            [_header(text) for text in self.headers],
            parse_claims(self.claims) if self.claims else None,
            self.address,
            _certificate(self.certificate) if self.certificate else None,
        )
        return rehearse(snapshot, asked)

    def check(self) -> None:
        """Raise ValueError for what can't be a request."""
        parse_claims(self.claims)
        for text in self.headers:
            _header(text)
        parse_method(self.method)
        ip_address(self.address)
        _certificate(self.certificate)
        if not self.target.startswith("/"):
            raise ValueError(f"the path {self.target!r} must start with '/'")
        if _TARGET.fullmatch(self.target) is None:
            raise ValueError(
                f"the path {self.target!r} must be percent-encoded and without a fragment, as clients send it"
            )


def explain_request(config: Path, question: Question, as_json: bool) -> int:
    """Print the explanation; 1 if the gateway would refuse the request, 2 for an impossible request."""
    try:
        question.check()
    except ValueError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2
    try:
        snapshot = load(config).snapshot
    except ConfigurationError as error:
        print_problems(error)
        return 1
    rehearsal = question.rehearse(snapshot)
    explanation = explanation_of(snapshot, rehearsal, f"{question.method} {question.target}")
    if as_json:
        print(orjson.dumps(asdict(explanation), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in lines_of(explanation):
            print(line)
    return 0 if rehearsal.decision.refusal is None else 1


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name:
        raise ValueError(f"-H {text!r} is not 'NAME: VALUE'")
    parse_header_name(name)
    if name.lower() == "authorization":
        raise ValueError("tokens are not verified here: give the caller's claims instead, as in --claim sub=user-17")
    if _CONTROL.search(value) is not None or (name.lower() == "host" and not is_host(value.encode("utf-8"))):
        raise ValueError(f"-H {text!r} holds a value that the gateway would refuse")
    return name, value


def _certificate(written: list[str]) -> ClientCertificate:
    values: dict[str, tuple[str, ...]] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or name not in CERTIFICATE_NAMES:
            raise ValueError(f"--certificate {text!r} is not NAME=VALUE with a NAME of {', '.join(CERTIFICATE_NAMES)}")
        values[name] = (*values.get(name, ()), value)
    return certificate_from(values)
