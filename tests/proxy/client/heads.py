"""Requests as browsers, services and proxies send them, and such that are wrong in one place."""

from __future__ import annotations

from hypothesis import strategies as st

from strangler.auth.keys import parse_key_set
from tests.e2e.tokens import Issuer

ISSUER = Issuer()
KEYS = parse_key_set(ISSUER.key_set())

_TOKENS = [b"Bearer " + ISSUER.token(f"user-{number}").encode() for number in (1, 2)]

_USUAL = [
    b"Host: a",
    b"Host: b:80",
    b"Accept: */*",
    b"User-Agent: x/1 (y; z) w",
    b"X-Tenant: 1",
    b"X-Tenant: 2",
    b"Cookie: a=b; c=d",
    b"Referer: https://a/b?c=d",
    b"Connection: keep-alive",
    b"Connection: Keep-Alive",
    b"Connection: close",
    b"X-Request-Id: mine",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"Via: 1.1 elsewhere, 2 another",
    b"X-Auth-Subject: admin",
    b"X-Forwarded-For: 198.51.100.7",
    b"X-Forwarded-For: 10.0.0.1, 198.51.100.7",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: shop.example",
    b"X-Forwarded-Port: 8443",
    b"X-Forwarded-Prefix: /x",
    b"X-Real-IP: 198.51.100.9",
    b"Forwarded: for=198.51.100.7;proto=https",
    *(b"Authorization: " + token for token in _TOKENS),
]
_UNUSUAL = [
    b"Host: a b",
    b"Host: [::1]:8080",
    b"host: A",
    b"Host:a",
    b"Host:  a",
    b"Host: a ",
    b"Host: a\t",
    b"Host: ",
    b"X_Auth_Subject: admin",
    b"X-Auth.Subject: admin",
    b"SCRIPT_NAME: /x",
    b"Connection: x-tenant",
    b"Connection: x-forwarded-for",
    b"Connection: close, x-tenant",
    b"Connection: upgrade",
    b"Connection: host",
    b"Connection: CLOSE",
    b"Proxy-Connection: close",
    b"Proxy-Connection: keep-alive",
    b"Keep-Alive: timeout=5",
    b"TE: trailers",
    b"Trailer: x",
    b"X-Request-Id: two words",
    b"x-request-id: " + b"y" * 140,
    b"traceparent: 00-0-0-00",
    b"Traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"tracestate: a=b",
    b"Via: 1.1 strangler",
    b"Via: 1.0 STRANGLER, 1.1 strangler",
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"Content-Length: 03",
    b"Content-Length: +3",
    b"Content-Length: 3,3",
    b"Content-Length: 3 ",
    b"Content-Length: 12345678901234567890",
    b"content_length: 3",
    b"Content-Length : 3",
    b"Transfer-Encoding: chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Expect: 100-continue",
    b"Expect: x",
    b"Upgrade: x",
    b"Upgrade: websocket",
    b"Max-Forwards: 0",
    b"X: \xe9",
    b"X: a\0b",
    b"X: a\x7fb",
    b"X: a\tb",
    b"X:  padded ",
    b"X:",
    b"X: ",
    b"X:: a",
    b": x",
    b"X",
    b"X Y: z",
    b"X(Y): z",
    b" folded",
    b"\tfolded",
    b"X: " + b"y" * 900,
    b"Authorization: Bearer x",
    b"Authorization: Basic eDp5",
    b"authorization: " + _TOKENS[0],
]
_TARGETS = [
    b"/",
    b"/a?b=c",
    b"/a?",
    b"/a?b?c",
    b"/catalog/1",
    b"/catalog/1?x=y/../z",
    b"/private/x",
    b"//a/..//b",
    b"/%2e%2e/private/x",
    b"/a#b",
    b'/a|b"<>\\^`{}',
    b"/\xe9",
    b"/a b",
    b"/a\tb",
    b"*",
    b"http://a/x",
    b"http://b/x",
    b"a",
    b"",
    b"/" + b"x" * 59,
    b"/" + b"x" * 60,
]
_METHODS = [b"GET", b"GET", b"POST", b"PUT", b"PATCH", b"HEAD", b"OPTIONS", b"DELETE"]
_OTHER_METHODS = [b"get", b"GETS", b"TRACE", b"CONNECT", b"PROPFIND", b"PRI", b"", b"G T"]
_VERSIONS = [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"ICE/1.0", b""]
_ENDS = [b"\n", b"\r", b"\r\r\n", b"\r\n\r\n", b" \r\n", b"\r\n "]
_BYTES = [b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b": ", b"\t", b"x", b"\r\n\r\n", b"\xff", b"\x7f", b"#"]
_BODIES = [b"abc", b"", b"ab", b"abcd", b"3\r\nabc\r\n0\r\n\r\n", b"abcGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\n"]


def _mostly(usual: list[bytes], unusual: list[bytes], times: int) -> st.SearchStrategy[bytes]:
    return st.one_of(*[st.sampled_from(usual)] * times, st.sampled_from(unusual))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Something like one request: often right, often wrong in one place."""
    line = b" ".join(
        (
            draw(_mostly(_METHODS, _OTHER_METHODS, 12)),
            draw(_mostly(_TARGETS[:7], _TARGETS[7:], 3)),
            draw(_mostly([b"HTTP/1.1"], _VERSIONS, 12)),
        )
    )
    fields = draw(st.lists(_mostly(_USUAL, _UNUSUAL, 3), max_size=7))
    if draw(st.integers(0, 15)):
        fields.insert(draw(st.integers(0, len(fields))), b"Host: a")
    body = b""
    if draw(st.integers(0, 2)) == 0:
        body = draw(st.sampled_from(_BODIES))
        length = draw(st.sampled_from([b"Content-Length: 3", b"Content-Length: %d" % len(body), b"Content-Length: 9"]))
        fields.insert(draw(st.integers(0, len(fields))), length)
    end = draw(_mostly([b"\r\n"], _ENDS, 20))
    data = end.join([line, *fields]) + end + end + body
    if draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(data) - 1))
        data = data[:place] + draw(st.sampled_from(_BYTES)) + data[place + draw(st.integers(0, 1)) :]
    return data


@st.composite
def cut(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> list[bytes]:
    """Some bytes in up to three reads."""
    data = draw(whole)
    places = sorted(draw(st.lists(st.integers(1, max(1, len(data) - 1)), max_size=2)))
    return [read for read in (data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)) if read]
