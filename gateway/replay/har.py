"""HTTP Archives (HAR 1.2), as browsers save them and `strangler capture` writes them.

A browser records everything that a page asked for, also from others: images of
a CDN, analytics. So requests to the host that most of them went to are taken,
and the rest is left out and counted.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import orjson

from gateway.replay.recorded import RecordedRequest, Recording, RecordingError, fields_of, target_of
from gateway.shadow.redaction import REDACTED


def read_har(data: bytes, name: str) -> Recording:
    """The requests of the archive `data` in the order of their entries; `name` is what messages call it.

    Raises RecordingError.
    """
    try:
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise RecordingError(f"{name}: not JSON: {error}") from None
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise RecordingError(f"{name}: not an HTTP Archive: there is no list at log.entries")
    recording = Recording()
    for number, entry in enumerate(entries, 1):
        place = f"{name}, entry {number}"
        try:
            request = _request(entry, place)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise RecordingError(f"{place}: {missing}") from None
        if isinstance(request, str):
            recording.skipped[request] += 1
        else:
            recording.requests.append(request)
    _keep_one_host(recording)
    return recording


def _request(entry: Any, place: str) -> RecordedRequest | str:
    """The request of an entry, or why it is left out."""
    request = entry["request"]
    url = request["url"]
    scheme = url.partition(":")[0].lower()
    if scheme in ("ws", "wss") or entry.get("_resourceType") == "websocket":
        return "upgrade"
    if scheme not in ("http", "https"):
        return f"scheme {scheme}"
    if REDACTED in url:
        return "target redacted"
    target, host = target_of(url)
    headers = [(field["name"], field["value"]) for field in request.get("headers") or []]
    body = _body(request.get("postData"), headers)
    if body is None:
        return "body not recorded"
    if REDACTED.encode() in body:
        return "body redacted"
    fields, redacted = fields_of(headers)
    return RecordedRequest(request["method"].upper(), target, fields, body, host, place, redacted=redacted)


def _body(posted: Any, headers: list[tuple[str, str]]) -> bytes | None:
    """The body of a request; None where it is not in the archive as it was. Adds a Content-Type that only it names."""
    if not posted:
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        return b"" if all(length.strip() in ("", "0") for length in lengths) else None
    media = posted.get("mimeType") or ""
    if media and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", media))
    text = posted.get("text")
    if text:
        if posted.get("encoding") == "base64":
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise ValueError(f"postData.text is not base64: {error}") from None
        return str(text).encode("utf-8", "surrogatepass")
    params = posted.get("params")
    if not params:
        return b""
    if not media.startswith("application/x-www-form-urlencoded"):
        return None
    return urlencode([(param["name"], param.get("value", "")) for param in params]).encode()


def _keep_one_host(recording: Recording) -> None:
    hosts = Counter(request.host for request in recording.requests)
    if len(hosts) < 2:
        return
    chosen = hosts.most_common(1)[0][0]
    for host, count in hosts.items():
        if host != chosen:
            recording.skipped[f"host {host}"] += count
    recording.requests = [request for request in recording.requests if request.host == chosen]
