"""Lists of URLs: what a line may say, and what is said about one that can't be understood."""

from __future__ import annotations

import pytest

from strangler.replay.recorded import RecordingError
from strangler.replay.url_list import read_url_list


def asked(text: str) -> list[str]:
    return [str(request) for request in read_url_list(text.encode(), "urls.txt").requests]


def test_paths_urls_and_methods() -> None:
    text = "# of Monday\n\n/a?x=1\nhttps://shop.example/b?y=2#top\nHEAD /c\n  POST http://shop.example  \n"
    assert asked(text) == ["GET /a?x=1", "GET /b?y=2", "HEAD /c", "POST /"]


def test_targets_stay_as_they_are_written() -> None:
    text = "/a/../b//c/./%2e%2F?x=%zz&&y=a+b;c\nhttp://Shop.Example/%C3%A9"
    assert asked(text) == ["GET /a/../b//c/./%2e%2F?x=%zz&&y=a+b;c", "GET /%C3%A9"]


def test_what_a_request_line_cannot_hold_is_encoded() -> None:
    assert asked("/café?q=ü") == ["GET /caf%C3%A9?q=%C3%BC"]


def test_each_request_knows_its_line_and_host() -> None:
    first, second = read_url_list(b"/a\nhttp://user@Shop.Example:81/b", "urls.txt").requests
    assert (first.source, first.host) == ("urls.txt:1", None)
    assert (second.source, second.host) == ("urls.txt:2", "shop.example:81")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("GET /a b", "expected PATH, URL, or METHOD and one of them"),
        ("get /a", "expected PATH, URL, or METHOD"),
        ("a/b", "neither a path that starts with '/' nor an http(s) URL"),
        ("ftp://shop.example/", "neither a path"),
        ("http:///a", "names no host"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(line: str, said: str) -> None:
    recording = read_url_list(f"/fine\n{line}\n".encode(), "urls.txt")
    assert [request.target for request in recording.requests] == ["/fine"]
    assert recording.skipped == {"can't be read": 1}
    [sentence] = recording.unreadable
    assert sentence.startswith("urls.txt:2: ")
    assert said in sentence
    with pytest.raises(RecordingError) as raised:
        read_url_list(f"# nothing else\n{line}\n".encode(), "urls.txt")
    assert str(raised.value) == sentence
