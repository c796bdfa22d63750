"""Applies a route's changes to messages: to the request's line and fields, and to the response's fields.

Where paths are rewritten, the paths in Location, Content-Location (RFC 9110
sections 10.2.2 and 8.7), Refresh and the Path of cookies (RFC 6265 section
4.1.2.4) are the upstream's, and become the client's. So does an address of an
endpoint, which is of no use outside.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from strangler.model.changes import NOT_ALPHANUMERIC, Changes, Rewrite
from strangler.routing.cors import response_fields
from strangler.routing.rewrite import inner_path, outer_path

if TYPE_CHECKING:
    from strangler.routing.request import Request

Fields = list[tuple[bytes, bytes]]

_PLACES = frozenset({b"location", b"content-location"})
_URL = re.compile(r"(?:https?:)?//(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_REFRESH = re.compile(r"""([ \t]*[0-9.]*[ \t]*[;,]?[ \t]*url[ \t]*=[ \t]*(["']?))(.*?)(\2[ \t]*)""", re.IGNORECASE)
_PREFIX = b"x-forwarded-prefix"
_HOST_PREFIX = "__host-"
"""Of cookie names (RFC 6265bis section 4.1.3); what `__Secure-` asks for, Secure, no rewriting takes off."""


def changed_line(rewrite: Rewrite, line: bytes, path: str) -> bytes:
    """The request's line with the path for the upstream; the query stays byte for byte."""
    if not path.startswith("/"):
        return line
    start = line.index(b" ") + 1
    return line[:start] + inner_path(rewrite, path).encode("ascii") + line[start + len(path) :]


def changed_request(changes: Changes, lines: Fields) -> Fields:
    """The client's fields, without those that are taken off; the gateway's own come after them."""
    removed = changes.request.removed
    if changes.endpoint_host:
        removed |= {b"host"}
    if changes.rewrite is not None and changes.rewrite.prefix:
        removed |= {_PREFIX}
    if not removed:
        return lines
    # A server may read X_Name as X-Name.
    return [field for field in lines if NOT_ALPHANUMERIC.sub(b"-", field[0].lower()) not in removed]


def added_to_request(changes: Changes, lines: Fields) -> bytes:
    """The lines that are put on; `lines` are the client's, of which a trusted proxy's prefix is kept."""
    added = changes.request.added
    if changes.rewrite is not None and changes.rewrite.prefix:
        before = b"".join(value for name, value in lines if name.lower() == _PREFIX).rstrip(b"/")
        added += b"X-Forwarded-Prefix: " + before + changes.rewrite.prefix.encode("ascii") + b"\r\n"
    return added


def changed_response(changes: Changes, fields: bytes, request: Request) -> bytes:
    """The response's fields, whole lines, as the client gets them."""
    kept: list[bytes] = []
    for line in fields.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower in changes.response.removed or (changes.cors is not None and lower.startswith(b"access-control-")):
            continue
        if changes.rewrite is not None or changes.authorities:
            line = _outward(changes, lower, line, value, request)
        kept += (line, b"\r\n")
    kept.append(changes.response.added)
    if changes.cors is not None:
        kept.append(response_fields(changes.cors, request))
    return b"".join(kept)


def _outward(changes: Changes, name: bytes, line: bytes, value: bytes, request: Request) -> bytes:
    """A line with the client's paths in place of the upstream's."""
    if name in _PLACES:
        text = value.strip(b" \t").decode("latin-1")
        changed = _outer_url(changes, text, request)
    elif name == b"refresh":
        text = value.decode("latin-1")
        match = _REFRESH.fullmatch(text)
        changed = text if match is None else match[1] + _outer_url(changes, match[3], request) + match[4]
    elif name == b"set-cookie" and changes.rewrite is not None:
        text = value.decode("latin-1")
        changed = _outer_cookie(changes.rewrite, text)
    else:
        return line
    if changed == text:
        return line
    return line[: len(name)] + b": " + changed.strip(" \t").encode("latin-1")


def _outer_url(changes: Changes, url: str, request: Request) -> str:
    """A URL or an absolute path as clients have to ask for it; relative ones, and those of others, stay."""
    match = _URL.fullmatch(url)
    if match is None:
        return _outer_reference(changes.rewrite, url) if url.startswith("/") else url
    authority = match["authority"].lower()
    rest = match["rest"] if match["rest"].startswith("/") else "/" + match["rest"]
    if authority == request.host.lower():
        return url[: match.start("rest")] + _outer_reference(changes.rewrite, rest)
    if authority in changes.authorities:
        outer = _outer_reference(changes.rewrite, rest)
        # Alone, such a path would be read as the name of another host (RFC 3986 section 4.2; browsers fold `\\`).
        return f"//{request.host}{outer}" if outer.startswith(("//", "/\\")) else outer
    return url


def _outer_reference(rewrite: Rewrite | None, reference: str) -> str:
    end = min((place for place in (reference.find("?"), reference.find("#")) if place >= 0), default=len(reference))
    path = reference[:end]
    return path + reference[end:] if rewrite is None else (outer_path(rewrite, path) or path) + reference[end:]


def _outer_cookie(rewrite: Rewrite, cookie: str) -> str:
    pair, *attributes = cookie.split(";")
    if pair.strip(" \t").lower().startswith(_HOST_PREFIX):
        # Browsers take it with Path=/ and without Domain alone, whatever the path that clients ask for.
        return cookie
    changed = [pair]
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        value = value.strip(" \t")
        match name.strip(" \t").lower():
            case "path" if value.startswith("/"):
                outer = outer_path(rewrite, value) or value
                # A path ends without a slash so that it also covers what is asked for without one.
                attribute = f"{name}={outer if value != '/' or outer == '/' else outer.rstrip('/')}"
            case "domain" if value.lower().lstrip(".") in rewrite.cookie_domains:
                attribute = f"{name}={rewrite.cookie_domains[value.lower().lstrip('.')]}"
        changed.append(attribute)
    return ";".join(changed)
