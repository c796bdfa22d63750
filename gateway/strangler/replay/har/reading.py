"""HTTP Archives (HAR 1.2), as browsers save them and `strangler capture` writes them.

An archive holds whatever its writer's JSON held, lone surrogates among it. An
entry that can't be read, or whose body was not recorded as it was sent, is left
out and counted; the others are asked. Of what a page asked for, requests to its
own host are taken, unless origins are named (`har_hosts`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from typing import Any

import orjson

from strangler.redaction.redaction import REDACTED
from strangler.replay.har.bodies import body_of
from strangler.replay.har.hosts import host_of, is_named, origin_of, page_host
from strangler.replay.recorded import (
    RecordedRequest,
    RecordedRequests,
    RecordingError,
    fields_of,
    method_of,
    sayable,
    target_of,
)

_Found = list[tuple[str, RecordedRequest]]


def read_har(data: bytes, name: str, origins: Collection[str] = ()) -> RecordedRequests:
    """The requests of the archive `data` in the order of their entries; `name` is what messages call it.

    Of several hosts those that `origins` names are asked, else the page's.
    Raises RecordingError.
    """
    document = _parsed(data, name)
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(log, dict) or not isinstance(entries, list):
        raise RecordingError(f"{name}: not an HTTP Archive: there is no list at log.entries")
    recording = RecordedRequests()
    requests: _Found = []
    for number, entry in enumerate(entries, 1):
        place = f"{name}, entry {number}"
        try:
            request = _request(entry, place)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            recording.add_unreadable(f"{place}: {missing}")
            continue
        if isinstance(request, str):
            recording.skipped[sayable(request)] += 1
        else:
            requests.append((origin_of(entry["request"]["url"]) or "", request))
    if len(recording.unreadable) == len(entries) > 0:
        raise RecordingError(recording.unreadable[0])
    _choose_hosts(recording, requests, log, origins, name)
    return recording


def _parsed(data: bytes, name: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # It refuses lone surrogates, byte order marks and UTF-16, which archives are found with.
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"{name}: not JSON: {error}") from None


def _request(entry: Any, place: str) -> RecordedRequest | str:
    """The request of an entry, or why it is left out."""
    request = entry["request"]
    url = request["url"]
    scheme = url.partition(":")[0].lower()
    if scheme in ("ws", "wss") or entry.get("_resourceType") == "websocket":
        return "upgrade"
    if scheme not in ("http", "https"):
        return f"scheme {scheme[:20]}"
    if REDACTED in url:
        return "target redacted"
    target, host = target_of(url)
    headers = [_field(field) for field in request.get("headers") or []]
    method = method_of(request["method"])
    posted = request.get("postData")
    if isinstance(posted, dict) and REDACTED in str(posted.get("text")):
        return "body redacted"
    body = body_of(request, headers)
    if body is None:
        return "body not recorded"
    fields, redacted = fields_of(headers)
    return RecordedRequest(method, target, fields, body, host, place, redacted=redacted)


def _field(field: Any) -> tuple[str, str]:
    """A header field; a value that is missing is empty, and one that is a number its digits."""
    name, value = field["name"], field.get("value")
    if not isinstance(name, str) or isinstance(value, (dict, list)):
        raise TypeError(f"a header field is a name and a value, not {field!r}")
    return name, "" if value is None else str(value)


def _choose_hosts(
    recording: RecordedRequests,
    requests: _Found,
    log: dict[str, Any],
    named: Collection[str],
    name: str,
) -> None:
    """Take the requests to the hosts that are asked, and count the others."""
    hosts = Counter(host_of(origin) for origin, _ in requests)
    if named:
        taken = {origin for origin, _ in requests if is_named(origin, named)}
        if not taken and requests:
            there = ", ".join(
                sayable(f"{origin} ({count})") for origin, count in Counter(o for o, _ in requests).most_common(5)
            )
            raise RecordingError(f"{name}: no request went to {', '.join(named)}; most went to {there}")
    else:
        chosen = page_host(log, log["entries"], hosts) or next((host for host, _ in hosts.most_common(1)), "")
        taken = {origin for origin, _ in requests if host_of(origin) == chosen}
        if len(hosts) > 1:
            said = f"requests to other hosts than {chosen}: name those to ask by --origin URL, which may be repeated"
            recording.left_out.append(sayable(said))
    for origin, request in requests:
        if origin in taken:
            recording.requests.append(request)
        else:
            shown = origin if named else host_of(origin)
            recording.skipped[sayable(f"host {shown}")] += 1
