"""A list of URLs: one a line, with the method before it where it is not GET; `#` begins a comment.

A line that can't be understood is left out and named: lists are cut from logs,
where some lines are no requests.
"""

from __future__ import annotations

import codecs
import re

from strangler.replay.recorded import RecordedRequest, RecordedRequests, RecordingError, target_of

_VERSION = re.compile(r"HTTP/[0-9.]+")
"""What ends a request line, as logs have it."""


def read_url_list(data: bytes, name: str) -> RecordedRequests:
    """The requests of the list `data`, in UTF-8; `name` is what messages call it.

    Raises RecordingError where no line can be understood.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16", "replace") if wide else data.decode("utf-8-sig", "surrogateescape")
    recording = RecordedRequests()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) == 3 and _VERSION.fullmatch(words[2]):
            del words[2]
        method, url = ("GET", words[0]) if len(words) == 1 else (words[0], words[1])
        try:
            if len(words) > 2 or not (method.isascii() and method.isalpha() and method.isupper()):
                raise ValueError(f"expected PATH, URL, or METHOD and one of them, found {line!r}")
            target, host = target_of(url)
        except ValueError as error:
            recording.add_unreadable(f"{name}:{number}: {error}")
            continue
        recording.requests.append(RecordedRequest(method, target, host=host, source=f"{name}:{number}"))
    if recording.unreadable and not recording.requests:
        raise RecordingError(recording.unreadable[0])
    return recording
