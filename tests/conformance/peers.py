"""The same requests through this gateway, nginx and HAProxy to the same upstream; writes docs/conformance.md.

    python -m tests.conformance.peers

Two proxies differ over a request where one refuses what the other forwards, or
where they forward different requests. Which fields each adds of its own
accord, their order, the case of their names, how a body is framed anew, and
which 4xx or 5xx a refusal has, are no differences. Rows about tokens and identity have no counterpart in
the others and are left out.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.conftest import configuration
from tests.conformance.messages import (
    Ambiguous,
    Incomplete,
    first_request,
    first_response,
    status_of,
)
from tests.conformance.peer_processes import Peer, haproxy, nginx
from tests.conformance.playing import ANSWER, ANSWER_TO_HEAD, LARGE, method_of
from tests.conformance.rows import Forwarded, Refused, Request
from tests.conformance.tables import TABLES
from tests.conformance.tables.identity import ISSUER
from tests.conformance.wire import Wire
from tests.e2e.gateway_process import ROOT, GatewayProcess

PAGE = ROOT / "docs" / "conformance.md"
COMPARED = ("framing", "chunked", "syntax", "host and target", "paths", "hop by hop", "pipelining", "interim")
ANSWERED = 1.0
QUIET = 0.05
SHOWN = 60

_ADDED = frozenset(
    {
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-request-id",
        b"traceparent",
        b"connection",
    }
)


@dataclass(frozen=True)
class Outcome:
    """The final statuses that the client got, and the whole requests that the upstream saw."""

    statuses: tuple[int, ...]
    requests: tuple[bytes, ...]

    def meaning(self) -> object:
        """What must be equal for two proxies to agree."""
        refused = len(self.statuses) > len(self.requests) or not self.statuses
        return refused, tuple(_meaning(request) for request in self.requests)

    def __str__(self) -> str:
        refusals = ", ".join(str(status) for status in self.statuses if status >= 400)
        if not self.requests:
            return (
                f"refuses: {refusals}" if refusals else "closes without a response" if not self.statuses else "responds"
            )
        forwards = f"forwards {len(self.requests)}" if len(self.requests) > 1 else "forwards"
        return f"{forwards}, then {refusals}" if refusals else forwards


def _meaning(request: bytes) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """Request line, fields, and data; how the data is framed counts for nothing, unless it is framed oddly."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    kept = []
    chunked = False
    for field in fields:
        name, _, value = field.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"transfer-encoding" and value.lower() == b"chunked":
            chunked = True
        elif not (name in _ADDED or (name, value) == (b"via", b"1.1 strangler") or _is_length(name, value)):
            kept.append(name + b": " + value)
    if chunked:
        body, trailers = _data_and_trailers(body)
        kept += trailers
    return line, tuple(sorted(kept)), body


def _is_length(name: bytes, value: bytes) -> bool:
    return name == b"content-length" and value == b"%d" % int(value if value.isdigit() else b"0")


def _data_and_trailers(body: bytes) -> tuple[bytes, list[bytes]]:
    data = b""
    while size := int(body.partition(b"\r\n")[0], 16):
        start = body.index(b"\r\n") + 2
        data += body[start : start + size]
        body = body[start + size + 2 :]
    return data, [b"trailer " + line for line in body.split(b"\r\n")[1:] if line]


def send(wire: Wire, port: int, row: Request) -> Outcome:
    """What becomes of `row` at the proxy on `port`."""
    client = wire.client(port)
    requests: list[bytes] = []
    statuses: list[int] = []
    expected = row.expected
    wanted = len(expected.before) + 1 if isinstance(expected, Refused) else len(expected.requests or (b"",))
    methods = [method_of(request) for request in (expected.requests or ())] if isinstance(expected, Forwarded) else []
    methods += [method_of(row.sent)] * (wanted - len(methods))

    def pump() -> bool:
        for end in wire.upstreams:
            try:
                head, body = first_request(bytes(end.received))
            except Incomplete:
                continue
            except Ambiguous:
                head, body = end.take(), b""
            else:
                del end.received[: len(head) + len(body)]
            requests.append(head + body)
            end.send(ANSWER_TO_HEAD if method_of(head) == b"HEAD" else ANSWER)
        while True:
            try:
                method = methods[min(len(statuses), len(methods) - 1)]
                head, body = first_response(bytes(client.received), method, client.ended)
            except Incomplete:
                break
            except Ambiguous:
                client.take()
                break
            del client.received[: len(head) + len(body)]
            if status_of(head) >= 200:
                statuses.append(status_of(head))
        return client.ended or len(statuses) >= wanted

    client.send(row.sent, in_pieces=len(row.sent) > LARGE)
    wire.is_reached(pump, ANSWERED)
    wire.is_reached(lambda: not pump(), QUIET)
    wire.close_clients()
    return Outcome(tuple(statuses), tuple(requests))


def main() -> None:
    """Compare, and write the page."""
    with ExitStack() as running:
        folders = [Path(running.enter_context(tempfile.TemporaryDirectory())) for _ in range(3)]
        wires = [running.enter_context(Wire()) for _ in range(3)]
        ISSUER.write_key_set(folders[0])
        gateway = running.enter_context(GatewayProcess(folders[0], configuration(wires[0].port)))
        peers = [
            Peer("this gateway", "", gateway.port),
            running.enter_context(nginx(folders[1], wires[1].port)),
            running.enter_context(haproxy(folders[2], wires[2].port)),
        ]
        found = {
            table: [
                (row, [send(wire, peer.port, row) for wire, peer in zip(wires, peers, strict=True)])
                for row in TABLES[table]
                if isinstance(row, Request)
            ]
            for table in COMPARED
        }
    PAGE.write_text(page(peers, found))


Found = dict[str, list[tuple[Request, list[Outcome]]]]


def page(peers: list[Peer], found: Found) -> str:
    """The text of docs/conformance.md."""
    rows = [outcomes for table in found.values() for _, outcomes in table]
    others = " and ".join(f"{peer.name} {peer.version}" for peer in peers[1:])
    agree = [sum(outcomes[0].meaning() == outcomes[n].meaning() for outcomes in rows) for n in (1, 2)]
    lines = [
        "# Conformance, beside nginx and HAProxy",
        "",
        "This page is written by `make conformance-peers`.",
        "",
        f"`tests/conformance/` holds {sum(map(len, TABLES.values()))} rows: bytes that a client or an upstream sends,",
        "and what the other side must get. Each row names the section of the RFC, or the attack, that it is about,",
        "and is played against a real gateway in up to three ways: in one piece, byte by byte, and twice on one",
        "connection; the first and the last of them also where the parser reads every head.",
        "",
        f"{len(rows)} of these rows are requests without tokens. They were sent through this gateway, {others},",
        "each before an upstream that records what arrives. A difference is that one refuses what another",
        "forwards, or that they forward different requests; which fields a proxy adds, their order, the case of",
        "their names, how a body is framed anew and the number of a refusal do not count. nginx and HAProxy run as",
        "their packages come, and both ask for Authorization at `/admin/` and `/reports/secret`, as this gateway does.",
        "",
        f"nginx does the same as this gateway in {agree[0]} of {len(rows)} rows, HAProxy in {agree[1]}.",
        "Below stand the others, with the reason for what this gateway does.",
    ]
    for table, entries in found.items():
        differing = [
            (row, outcomes) for row, outcomes in entries if len({repr(each.meaning()) for each in outcomes}) > 1
        ]
        if not differing:
            continue
        lines += ["", f"## {table.capitalize()}", ""]
        lines += ["| request | this gateway | nginx | HAProxy | why |", "|---|---|---|---|---|"]
        for row, outcomes in differing:
            cells = [row.name, str(outcomes[0]), *(_cell(outcomes[0], other) for other in outcomes[1:]), row.source]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(ours: Outcome, other: Outcome) -> str:
    if ours.meaning() == other.meaning():
        return "the same"
    if ours.requests and other.requests and len(ours.requests) == len(other.requests):
        return f"forwards {_difference(ours.requests, other.requests)}"
    return str(other)


def _difference(ours: tuple[bytes, ...], others: tuple[bytes, ...]) -> str:
    """What the other proxy sent on that this gateway did not, and the other way round."""
    said = []
    for one, other in zip(ours, others, strict=True):
        first, second = _parts(one), _parts(other)
        said += [f"`{_shown(part)}`" for part in second if part not in first]
        said += [f"no `{_shown(part)}`" for part in first if part not in second]
    return ", ".join(said) or "another order"


def _parts(request: bytes) -> list[bytes]:
    line, fields, data = _meaning(request)
    return [line, *fields, data]


def _shown(part: bytes) -> str:
    text = repr(part)[2:-1].replace("`", "'")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


if __name__ == "__main__":
    main()
