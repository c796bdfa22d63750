"""Whom a request is for: Host and the forms of a request target.

RFC 9112 sections 3.2 and 3.3. Routing, caches and passwords hang on the host,
so it is there once, it is valid, and an absolute target must agree with it.
"""

from __future__ import annotations

from tests.conformance.rows import Forwarded, Refused, Request, Row, get, lines

_ONE_HOST = "RFC 9112 3.2: no Host, several, or an invalid one must be refused by 400"
_HOST = "RFC 9110 7.2: Host is uri-host and perhaps a port; anything else must be refused by 400 (RFC 9112 3.2)"
_ABSOLUTE = "RFC 9112 3.2.2: a server must accept the absolute form; its authority must agree with Host"
_TARGET = "RFC 9112 3.2: a target is a path, an absolute URL, or * for OPTIONS"
_CHARACTERS = "RFC 9112 3.2: a target holds no white space, controls or bytes above ASCII; refused, not repaired"


def _host(name: str, value: bytes) -> Request:
    return Request(name, _HOST, lines(b"GET /t HTTP/1.1", b"Host: " + value), Refused(400))


def _good_host(name: str, value: bytes, source: str = "RFC 9110 7.2") -> Request:
    return Request(name, source, lines(b"GET /t HTTP/1.1", b"Host: " + value), Forwarded())


def _target(name: str, target: bytes, source: str = _CHARACTERS, method: bytes = b"GET") -> Request:
    return Request(name, source, get(target=target, method=method), Refused(400))


def _good_target(name: str, target: bytes, seen: bytes, source: str = _ABSOLUTE, method: bytes = b"GET") -> Request:
    return Request(name, source, get(target=target, method=method), Forwarded((get(target=seen, method=method),)))


ROWS: list[Row] = [
    # Host
    Request("no Host", _ONE_HOST, lines(b"GET /t HTTP/1.1", b"X-A: 1"), Refused(400)),
    Request("no field at all", _ONE_HOST, b"GET /t HTTP/1.1\r\n\r\n", Refused(400)),
    Request("two Hosts", _ONE_HOST, get(b"Host: b"), Refused(400)),
    Request("two equal Hosts", _ONE_HOST, get(b"Host: a"), Refused(400)),
    Request("two Hosts in two cases", _ONE_HOST, get(b"hOST: b"), Refused(400)),
    Request("two Hosts, the second empty", _ONE_HOST, get(b"Host:"), Refused(400)),
    Request("two Hosts in HTTP/1.0", _ONE_HOST, lines(b"GET /t HTTP/1.0", b"Host: a", b"Host: b"), Refused(400)),
    Request(
        "a Host with a space before its colon",
        "RFC 9112 5.1: white space before the colon must be refused by 400",
        get(b"Host : b"),
        Refused(400),
    ),
    Request(
        "a folded Host",
        "RFC 9112 5.2: obs-fold is refused by 400",
        lines(b"GET /t HTTP/1.1", b"Host:\r\n a"),
        Refused(400),
    ),
    Request(
        "a Host behind a fold", "RFC 9112 5.2: obs-fold is refused by 400", get(b"X-A: 1\r\n Host: b"), Refused(400)
    ),
    Request(
        "a Host whose name has an underscore",
        "Attack: a server that folds _ and - sees two; such a spelling of a name is no Host",
        lines(b"GET /t HTTP/1.1", b"Host_: b"),
        Refused(400),
    ),
    _host("an empty Host", b""),
    _host("a Host with a path", b"a/b"),
    _host("a Host with a query", b"a?b"),
    _host("a Host with a fragment", b"a#b"),
    _host("a Host with a user", b"user@a"),
    _host("a Host with a user and a password", b"user:password@a"),
    _host("a Host with a space", b"a b"),
    _host("a Host with a tab", b"a\tb"),
    _host("a Host with a scheme", b"http://a"),
    _host("a Host with a backslash", b"a\\b"),
    _host("a Host with a quote", b'a"b'),
    _host("a Host with angle brackets", b"<a>"),
    _host("a Host with a NUL", b"a\0b"),
    _host("a Host with a byte above ASCII", b"\xc3\xa4"),
    _host("a Host with a letter for a port", b"a:b"),
    _host("a Host with a signed port", b"a:+80"),
    _host("a Host with two ports", b"a:80:80"),
    _host("a Host with a port alone", b":80"),
    _host("an IPv6 address without brackets", b"::1"),
    _host("an IPv6 address with one bracket", b"[::1"),
    _host("text behind an IPv6 address", b"[::1]a"),
    _host("a Host with a DEL", b"a\x7f"),
    _good_host("a Host with a port", b"a:8080"),
    _good_host("a Host in upper case", b"SHOP.Example", "RFC 9110 7.2: passed on as it is"),
    _good_host("a Host with a dot at the end", b"shop.example."),
    _good_host("a Host with an underscore", b"my_shop"),
    _good_host("an IPv4 address", b"192.0.2.1:80"),
    _good_host("an IPv6 address", b"[2001:db8::1]"),
    _good_host("an IPv6 address with a port", b"[::1]:8080"),
    _good_host("a Host with an empty port", b"a:", "RFC 3986 3.2.3: the port may be empty"),
    Request(
        "white space around a Host",
        "RFC 9112 5.1: white space around a value is no part of it",
        lines(b"GET /t HTTP/1.1", b"Host: \t a \t "),
        Forwarded((get(),)),
    ),
    # Absolute targets
    _good_target("an absolute target", b"http://a/t?q=1", b"/t?q=1"),
    _good_target("an absolute target without a path", b"http://a", b"/"),
    _good_target("an absolute target with a query and no path", b"http://a?q=1", b"/?q=1"),
    _good_target(
        "an absolute target in upper case", b"HTTP://A/t", b"/t", "RFC 3986 6.2.2.1: scheme and host in any case"
    ),
    _good_target("an absolute https target", b"https://a/t", b"/t"),
    _good_target("an absolute target with odd parts", b"http://a//x/../%2F;?a=http://b/", b"//x/../%2F;?a=http://b/"),
    Request(
        "an absolute target for another host",
        "RFC 9112 3.2.2: Host must be that of the target; which of two is meant is in doubt",
        get(target=b"http://b/t"),
        Refused(400),
    ),
    Request(
        "an absolute target with a path for a Host",
        _ABSOLUTE,
        lines(b"GET http://a/t HTTP/1.1", b"Host: a/t"),
        Refused(400),
    ),
    Request("an absolute target without Host", _ONE_HOST, lines(b"GET http://a/t HTTP/1.1"), Refused(400)),
    Request(
        "an absolute target without Host in HTTP/1.0",
        "RFC 9112 3.2.2: the target's authority is the host",
        lines(b"GET http://a/t HTTP/1.0"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "an absolute target with a port, and a Host with another",
        _ABSOLUTE,
        lines(b"GET http://a:80/t HTTP/1.1", b"Host: a:81"),
        Refused(400),
    ),
    Request(
        "an absolute target with the port of its Host",
        _ABSOLUTE,
        lines(b"GET http://a:81/t HTTP/1.1", b"Host: a:81"),
        Forwarded((lines(b"GET /t HTTP/1.1", b"Host: a:81"),)),
    ),
    _target("an absolute target with a user", b"http://user@a/t", "RFC 9110 4.2.4: userinfo is refused"),
    _target("an absolute target without authority", b"http:///t", _TARGET),
    _target("an absolute target of another scheme", b"ftp://a/t", _TARGET),
    _target("an absolute target of scheme file", b"file:///etc/passwd", _TARGET),
    _target("an absolute target without slashes", b"http:a/t", _TARGET),
    _target("an absolute target with a backslash", b"http://a\\b/t", _TARGET),
    _target("an absolute target with a fragment", b"http://a/t#x", "RFC 9112 3.2: a target has no fragment"),
    _target("a scheme alone", b"http://", _TARGET),
    # Other targets
    _target("an authority as target", b"a:80", "RFC 9112 3.2.3: the authority form is for CONNECT alone"),
    _target("a relative target", b"t", _TARGET),
    _target("a target that is a query", b"?q=1", _TARGET),
    _target("a star for GET", b"*", "RFC 9112 3.2.4: the asterisk form is for OPTIONS alone"),
    _target("a star with a path", b"*/t", _TARGET, b"OPTIONS"),
    Request(
        "a star for OPTIONS",
        "RFC 9112 3.2.4: a question about the server as a whole, which is the upstream",
        get(target=b"*", method=b"OPTIONS"),
        Forwarded(),
    ),
    _good_target(
        "OPTIONS of an absolute target without a path",
        b"http://a",
        b"*",
        "RFC 9112 3.2.4: the last proxy must send the asterisk form",
        b"OPTIONS",
    ),
    _target("a fragment", b"/t#x", "RFC 9112 3.2: a target has no fragment"),
    _target("a fragment in a query", b"/t?q=1#x", "RFC 9112 3.2: a target has no fragment"),
    _target("a NUL in a target", b"/a\0b"),
    _target("a control in a target", b"/a\x01b"),
    _target("a tab in a target", b"/a\tb"),
    _target("an escape in a target", b"/a\x1bb"),
    _target("a DEL in a target", b"/a\x7fb"),
    _target("a byte above ASCII in a target", b"/\xc3\xa4"),
    _target("a byte above ASCII in a query", b"/t?q=\xe4"),
    _target("a carriage return in a target", b"/a\rb"),
    _target("a line feed in a target", b"/a\nb"),
    _target("a vertical tab in a target", b"/a\x0bb"),
    _target("a no-break space in a target", b"/a\xa0b"),
]
