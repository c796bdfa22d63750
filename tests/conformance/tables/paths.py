"""Paths and queries: untouched on the wire, and not to be fooled when matched.

The gateway's routes: `/public/**` is open, `/admin/**` and `/reports/secret`
need a token, everything else goes to the default. A path that some upstream
would read as another is refused where the two readings choose different routes.
"""

from __future__ import annotations

from tests.conformance.rows import Forwarded, Refused, Request, Row, get

_RAW = "RFC 3986 2.2, 6: equivalence is the resource's business; a proxy passes the target on as it is"
_QUERY = "RFC 3986 3.4: a query is passed on as it is"
_DODGE = "Attack: the upstream's normal form of the path is another route's; neither may be taken for the other"
_SAME = "RFC 3986 2.3: an encoded unreserved character is the same character, so the same route"


def _raw(target: bytes, source: str = _RAW) -> Request:
    return Request(f"untouched: {target.decode()}", source, get(target=target), Forwarded())


def _dodges(target: bytes) -> Request:
    return Request(f"refused: {target.decode()}", _DODGE, get(target=target), Refused(400, closes=False))


def _needs_token(target: bytes, source: str = _SAME) -> Request:
    return Request(f"needs a token: {target.decode()}", source, get(target=target), Refused(401, closes=False))


ROWS: list[Row] = [
    *[
        _raw(target)
        for target in (
            b"/",
            b"//",
            b"///",
            b"/./",
            b"/a/./b",
            b"/a/../b",
            b"/a/..",
            b"/..",
            b"/../",
            b"/a//b",
            b"/a/",
            b"/a/b/",
            b"/%2F",
            b"/%2f",
            b"/a%2Fb",
            b"/a%5Cb",
            b"/a\\b",
            b"/%25",
            b"/%252F",
            b"/%2E%2e/a",
            b"/a;b=c/d",
            b"/;",
            b"/a;",
            b"/%3B",
            b"/%3F",
            b"/%23",
            b"/%20",
            b"/%0d%0aX:1",
            b"/%zz",
            b"/%",
            b"/%4",
            b"/~user",
            b"/%7Euser",
            b"/%7euser",
            b"/a:b@c!$&'()*+,=",
            b'/{a}|b^c`d"<e>',
            b"/[a]",
            b"/%E4%BD%A0",
            b"/%e4",
            b"/%c0%ae%c0%ae/",
            b"/a+b",
            b"/public/x/../y",
            b"/public/a%2fb",
            b"/public//a",
            b"/reports/secret/",
        )
    ],
    *[
        _raw(target, _QUERY)
        for target in (
            b"/t?",
            b"/t??",
            b"/t?a=1&a=2",
            b"/t?&&a==&b",
            b"/t?a;b",
            b"/t?a=%zz&b=%2F%2f",
            b"/t?a=+%20",
            b"/t?/../admin/x",
            b"/t?a=/admin/..%2f",
            b"/public/x?/../../admin/x",
            b"/t?a=b?c=d",
            b"/t?[a]={b}|c",
            b"/?",
        )
    ],
    *[
        _dodges(target)
        for target in (
            b"/public/../admin/x",
            b"/public/..%2fadmin/x",
            b"/public/..%2Fadmin/x",
            b"/public/%2e%2e/admin/x",
            b"/public/%2E%2E%2Fadmin%2Fx",
            b"/public/.%2e/admin/x",
            b"/public/..;/admin/x",
            b"/public/..;a=b/admin/x",
            b"/public/..%3b/admin/x",
            b"/public/..\\admin\\x",
            b"/public/..%5cadmin/x",
            b"/public/./../admin/x",
            b"/public//../admin/x",
            b"/public/a/../../admin/x",
            b"/public/x/..//../admin/x",
            b"//admin/x",
            b"///admin/x",
            b"/.//admin/x",
            b"/./admin/x",
            b"/%2e/admin/x",
            b"/x/../admin/x",
            b"/x/%2e%2e/admin/x",
            b"/..//admin/x",
            b"/../admin/x",
            b"/%2fadmin/x",
            b"/admin%2fx",
            b"/admin\\x",
            b"/admin;a=b/x",
            b"/admin;/x",
            b"/;/admin/x",
            b"/;a/admin/x",
            b"/admin/../public/x",
            b"/admin/x/../../public/x",
            b"/admin/..%2fpublic/x",
            b"/reports//secret",
            b"/reports/./secret",
            b"/reports/x/../secret",
            b"/reports/secret;x",
            b"/reports%2fsecret",
            b"/reports/secret/.",
            b"/reports/secret/x/..",
            b"/reports/secret;/x",
            b"/reports/secret%0a",
            b"/reports/secret%0d%0a",
            b"//x/admin/x",
            b"//u@x/admin/x",
            b"/\\x/admin/x",
        )
    ],
    *[
        _needs_token(target)
        for target in (
            b"/admin/x",
            b"/admin/",
            b"/%61dmin/x",
            b"/%61%64%6d%69%6e/x",
            b"/admin/..x",
            b"/admin//x",
            b"/admin/./x",
            b"/admin/a%2fb",
            b"/admin/;",
            b"/admin/x?public=1",
            b"/reports/secret",
            b"/reports/%73ecret",
            b"/reports/secret?x",
        )
    ],
    Request(
        "an absolute target needs a token, too",
        "RFC 9112 3.2.2: the path of an absolute target is matched",
        get(target=b"http://a/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "an absolute target does not dodge",
        _DODGE,
        get(target=b"http://a/public/../admin/x"),
        Refused(400, closes=False),
    ),
    *[
        Request(
            f"a NUL in a path: {target.decode()}",
            "Attack: a server written in C ends the path at the NUL, and another route is meant",
            get(target=target),
            Refused(400, closes=False),
        )
        for target in (b"/reports/secret%00", b"/reports/secret%00.png", b"/%00", b"/public/%00/../admin/x")
    ],
]
