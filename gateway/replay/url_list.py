"""A list of URLs: one a line, with the method before it where it is not GET; `#` begins a comment."""

from __future__ import annotations

from gateway.replay.recorded import RecordedRequest, Recording, RecordingError, target_of


def read_url_list(data: bytes, name: str) -> Recording:
    """The requests of the list `data`, in UTF-8; `name` is what messages call it.

    Raises RecordingError with the first line that can't be understood.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordingError(f"{name}: {error}") from None
    recording = Recording()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        method, url = ("GET", words[0]) if len(words) == 1 else (words[0], words[1])
        if len(words) > 2 or not (method.isascii() and method.isalpha() and method.isupper()):
            raise RecordingError(f"{name}:{number}: expected PATH, URL, or METHOD and one of them, found {line!r}")
        try:
            target, host = target_of(url)
        except ValueError as error:
            raise RecordingError(f"{name}:{number}: {error}") from None
        recording.requests.append(RecordedRequest(method, target, host=host, source=f"{name}:{number}"))
    return recording
