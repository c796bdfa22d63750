"""A request's head in one pass over its lines, if all of it is plain (docs/decisions/0028).

Plain is what has one reading only, by every parser: lines that end in CRLF, with
nothing but visible ASCII and spaces in them, a name that is a token, a colon, one
space and a value without white space around it; and of fields that frame the
message or concern the connection at most one each, in their usual form. For
everything else there is the parser, which decides whether it is refused. What
both make of the same bytes is equal (tests/proxy/client/test_plain_heads.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from strangler.proxy.exchange.gathered_head import take_forwarded
from strangler.proxy.exchange.request_head import CRLF, Fields, RequestHead, TrustedPeer
from strangler.proxy.http import field_actions as actions
from strangler.proxy.http.headers import is_request_id, is_traceparent, known_host
from strangler.proxy.http.plain_lines import PRINTABLE, SPACE, is_plain_length

if TYPE_CHECKING:
    from strangler.model.listener import Limits
    from strangler.proxy.http.headers import Actions

# As text, which is what routes compare. CONNECT and TRACE have rules of their own, and others are rare.
_METHODS: Final = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_KEPT: Final = {b"keep-alive": True, b"Keep-Alive": True, b"close": False, b"Close": False}


class Sender(Protocol):
    """The connection that a head came over."""

    trusted: TrustedPeer | None

    @property
    def scheme(self) -> str: ...


def plain_head(data: bytes, end: int, sender: Sender, spellings: Actions, limits: Limits) -> RequestHead | None:
    """The head of `data`, whose empty line begins at `end`; None where that is for the parser."""
    text = data[:end]
    lines = text.split(CRLF)
    first = lines.pop(0)
    count = len(lines)
    # A CR or LF that stands alone, or any other control character, would be left over, too.
    if len(text.translate(None, PRINTABLE)) != 2 * count:
        return None
    if count > limits.header_count or end - len(first) > limits.header_bytes:
        return None
    parts = first.split(b" ")
    if len(parts) != 3 or parts[2] != b"HTTP/1.1":
        return None
    method = _METHODS.get(parts[0])
    target = parts[1]
    # `find`, because `in` takes bytes for a number first.
    if method is None or not target.startswith(b"/") or target.find(b"#") >= 0 or len(target) > limits.target_bytes:
        return None
    path, _, query = target.decode("ascii").partition("?")
    head = RequestHead(first + CRLF, method, path, query, lines)
    return head if _take_fields(head, lines, sender, spellings) else None


def _take_fields(head: RequestHead, lines: list[bytes], sender: Sender, spellings: Actions) -> bool:
    """Take in the fields; whether all are plain."""
    known = spellings.known
    dropped: list[bytes] = []
    forwarded: Fields = []
    keeps = False
    for line in lines:
        name, _, value = line.partition(b": ")
        if not value or value[0] == SPACE or value[-1] == SPACE:
            return False
        action = known.get(name, actions.UNKNOWN)
        if not action:
            continue
        if action == actions.UNKNOWN:
            action = spellings.look_up(name)
            if not action:
                continue
        if action == actions.AUTHORIZATION:
            if head.credentials:
                return False
            head.credentials.append(value)
            head.credential_lines.append(line)
        elif action == actions.CONNECTION:
            kept = _KEPT.get(value)
            if keeps or kept is None:
                return False
            keeps = True
            head.keep_alive = kept
            dropped.append(line)
        elif action == actions.DROP:
            dropped.append(line)
        elif action == actions.FORWARDED:
            dropped.append(line)
            forwarded.append((name, value))
        elif not _take_special(head, action, value, sender):
            return False
        elif action == actions.CONTENT_LENGTH or (action == actions.FROM_PROXIES and sender.trusted is None):
            dropped.append(line)
    if not head.host:
        return False
    trusted = sender.trusted
    if dropped or trusted is not None:
        head.lines = kept_lines = lines.copy()
        for line in dropped:
            kept_lines.remove(line)
        if trusted is not None:
            take_forwarded(head, forwarded, trusted)
    return True


def _take_special(head: RequestHead, action: int, value: bytes, sender: Sender) -> bool:
    """Take in a field that there may be one of; whether it is plain. Its line goes on, or not, as for any value."""
    if action == actions.HOST:
        host = known_host(value)
        if head.host or host is None:
            return False
        head.host = host.text
        head.about_host = host.secure_lines if sender.scheme == "https" else host.lines
    elif action == actions.TRACEPARENT:
        if head.has_trace or not is_traceparent(value):
            return False
        head.has_trace = True
    elif action == actions.REQUEST_ID:
        if head.request_id is not None or not is_request_id(value):
            return False
        head.request_id = value
    elif action == actions.CONTENT_LENGTH:
        if head.content_length is not None or not is_plain_length(value):
            return False
        head.content_length = value
        head.has_body = value != b"0"
    elif action == actions.VIA:
        # It may have come through a gateway of this name.
        return b"strangler" not in value.lower()
    else:
        return action == actions.FROM_PROXIES
    return True
