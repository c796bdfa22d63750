"""Who is calling: identity fields that only the gateway may set, in every spelling that a server could fold.

The route `/optional/**` takes callers with and without a token, so what a
client claims about itself must not reach the upstream in either case; nor on
`/t`, which asks for nothing.
"""

from __future__ import annotations

from tests.conformance.rows import Forwarded, Refused, Request, Row, get, lines, post
from tests.e2e.tokens import ISSUER as ISSUER_NAME
from tests.e2e.tokens import Issuer

ISSUER = Issuer()
"""Whose key set the gateway of these tables has."""

_SPOOFING = "Attack: an identity of the client's own making"
_FORWARDED = "Attack: an address or scheme of the client's own making; no trusted proxy has said it"

TOKEN = ISSUER.bearer("user-17").encode()
IDENTITY = (
    b"X-Auth-Subject: user-17",
    b"X-Auth-Scopes: orders:read",
    b"X-Auth-Issuer: " + ISSUER_NAME.encode(),
)

SPELLINGS = (
    b"X-Auth-Subject",
    b"x-auth-subject",
    b"X-AUTH-SUBJECT",
    b"x-AuTh-sUbJeCt",
    b"X_Auth_Subject",
    b"X_Auth-Subject",
    b"X-Auth_Subject",
    b"x_auth_subject",
    b"X.Auth.Subject",
    b"X-Auth.Subject",
    b"X+Auth+Subject",
    b"X!Auth!Subject",
    b"X#Auth#Subject",
    b"X$Auth$Subject",
    b"X%Auth%Subject",
    b"X&Auth&Subject",
    b"X'Auth'Subject",
    b"X*Auth*Subject",
    b"X^Auth^Subject",
    b"X`Auth`Subject",
    b"X|Auth|Subject",
    b"X~Auth~Subject",
    b"X--Auth--Subject",
    b"X-_Auth_-Subject",
    b"X-Auth-Scopes",
    b"X_Auth_Scopes",
    b"x.auth.scopes",
    b"X-Auth-Issuer",
    b"X_AUTH_ISSUER",
    b"x-auth_issuer",
)
FORWARDED_FIELDS = (
    b"X-Forwarded-For: 192.0.2.1",
    b"x-forwarded-for: 192.0.2.1",
    b"X_Forwarded_For: 192.0.2.1",
    b"X.Forwarded.For: 192.0.2.1",
    b"X-Forwarded-Proto: https",
    b"X_Forwarded_Proto: https",
    b"X-Forwarded-Host: evil",
    b"X_Forwarded-Host: evil",
    b"X-Forwarded-Port: 443",
    b"X-Forwarded-Prefix: /evil",
    b"X-Forwarded-Server: evil",
    b"X-Forwarded-Ssl: on",
    b"X-Forwarded-Scheme: https",
    b"X-Real-IP: 192.0.2.1",
    b"X_Real_IP: 192.0.2.1",
    b"Forwarded: for=192.0.2.1;proto=https",
    b"forwarded: for=192.0.2.1",
)


def _with_token(target: bytes, *fields: bytes) -> bytes:
    return get(*fields, TOKEN, target=target)


ROWS: list[Row] = [
    *[
        Request(
            f"a caller without a token sends {name.decode()}",
            _SPOOFING,
            get(name + b": admin", b"X-Kept: 1", target=b"/optional/x"),
            Forwarded((get(b"X-Kept: 1", target=b"/optional/x"),)),
        )
        for name in SPELLINGS
    ],
    *[
        Request(
            f"a caller with a token sends {name.decode()}",
            _SPOOFING,
            _with_token(b"/optional/x", name + b": admin", b"X-Kept: 1"),
            Forwarded((get(b"X-Kept: 1", *IDENTITY, target=b"/optional/x"),)),
        )
        for name in SPELLINGS[::4]
    ],
    *[
        Request(
            f"on a route without authentication comes {name.decode()}",
            _SPOOFING,
            get(name + b": admin"),
            Forwarded((get(),)),
        )
        for name in SPELLINGS[::5]
    ],
    Request(
        "the same identity twice, around the token",
        _SPOOFING,
        get(b"X-Auth-Subject: admin", TOKEN, b"x-auth-subject: root", target=b"/optional/x"),
        Forwarded((get(*IDENTITY, target=b"/optional/x"),)),
    ),
    Request(
        "Connection names the identity fields",
        "Attack: naming the gateway's own fields in Connection, so that the next hop takes them off",
        _with_token(b"/admin/x", b"Connection: X-Auth-Subject, X-Auth-Scopes, X-Auth-Issuer", b"X-Auth-Subject: admin"),
        Forwarded((get(*IDENTITY, target=b"/admin/x"),)),
    ),
    Request(
        "an identity in trailers",
        "RFC 9110 6.5.1, attack: trailers merged into the header",
        post(
            TOKEN,
            b"Transfer-Encoding: chunked",
            body=b"1\r\nx\r\n0\r\nX-Auth-Subject: admin\r\nX_Auth_Scopes: all\r\n\r\n",
            target=b"/admin/x",
        ),
        Forwarded(
            (
                post(
                    b"Transfer-Encoding: chunked",
                    *IDENTITY,
                    body=b"1\r\nx\r\n0\r\n\r\n",
                    target=b"/admin/x",
                ),
            )
        ),
    ),
    Request(
        "an identity behind a space before the colon",
        "RFC 9112 5.1: white space before the colon must be refused by 400",
        get(b"X-Auth-Subject : admin", target=b"/optional/x"),
        Refused(400),
    ),
    Request(
        "an identity on a folded line",
        "RFC 9112 5.2: obs-fold",
        get(b"X-A: 1\r\n X-Auth-Subject: admin", target=b"/optional/x"),
        Refused(400),
    ),
    Request(
        "an identity behind a bare carriage return",
        "Attack: a field for servers that take a bare CR for a line end",
        get(b"X-A: 1\rX-Auth-Subject: admin", target=b"/optional/x"),
        Refused(400),
    ),
    Request(
        "an identity in encoded line ends of the target",
        "Attack: response or request splitting by a target that is decoded",
        get(target=b"/optional/x?%0d%0aX-Auth-Subject:%20admin"),
        Forwarded(),
    ),
    Request(
        "an identity in an empty field",
        _SPOOFING,
        get(b"X-Auth-Subject:", target=b"/optional/x"),
        Forwarded((get(target=b"/optional/x"),)),
    ),
    Request(
        "fields that no server folds into an identity",
        "RFC 9110 16.3: unknown fields are forwarded",
        get(b"XAuthSubject: 1", b"X-Auth-Subject-2: 1", b"My-X-Auth-Subject: 1", b"X-Auth: 1", b"X-Auth-Subjects: 1"),
        Forwarded(),
    ),
    *[
        Request(
            f"a client sends {field.decode()}", _FORWARDED, get(field, b"X-Kept: 1"), Forwarded((get(b"X-Kept: 1"),))
        )
        for field in FORWARDED_FIELDS
    ],
    Request(
        "a field about the client's connection twice",
        _FORWARDED,
        get(b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-For: 192.0.2.2", b"X-Forwarded-For: 127.0.0.1"),
        Forwarded((get(),)),
    ),
    Request(
        "X-Forwarded-Host in HTTP/1.0 without Host",
        _FORWARDED,
        lines(b"GET /t HTTP/1.0", b"Host: a", b"X-Forwarded-Host: evil"),
        Forwarded((get(),), closes=True),
    ),
    Request(
        "the mark of shadow requests",
        "Attack: a request that counts as a copy",
        get(b"X-Shadow: 1", b"x_shadow: 1"),
        Forwarded((get(),)),
    ),
    # Who may come in
    Request(
        "a token where one is needed",
        "RFC 6750 2.1",
        _with_token(b"/admin/x"),
        Forwarded((get(*IDENTITY, target=b"/admin/x"),)),
    ),
    Request("no token where one is needed", "RFC 6750 3", get(target=b"/admin/x"), Refused(401, closes=False)),
    Request(
        "an identity instead of a token",
        _SPOOFING,
        get(b"X-Auth-Subject: admin", target=b"/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "a token in X-Authorization",
        "RFC 6750 2: one place for credentials",
        get(TOKEN.replace(b"Authorization", b"X-Authorization"), target=b"/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "a token in the query",
        "RFC 6750 2.3: not taken from there unless configured",
        get(target=b"/admin/x?access_token=" + TOKEN.split()[-1]),
        Refused(401, closes=False),
    ),
    Request(
        "a token in a cookie",
        "RFC 6750 2: one place for credentials",
        get(b"Cookie: access_token=" + TOKEN.split()[-1], target=b"/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "two tokens",
        "RFC 6750 2: more than one is an error, and none of them is preferred",
        _with_token(b"/admin/x", TOKEN),
        Refused(400, closes=False),
    ),
    Request(
        "two Authorizations, one of another scheme",
        "RFC 6750 2: more than one is an error, and none of them is preferred",
        _with_token(b"/admin/x", b"Authorization: Basic eDp5"),
        Refused(400, closes=False),
    ),
    Request(
        "two tokens in one Authorization",
        "RFC 9110 11.6.2: one set of credentials",
        get(TOKEN + b", " + TOKEN.partition(b": ")[2], target=b"/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "another scheme",
        "RFC 9110 11.6.1",
        get(b"Authorization: Basic eDp5", target=b"/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "an empty Authorization",
        "RFC 9110 11.6.2",
        get(b"Authorization:", target=b"/admin/x"),
        Refused(401, closes=False),
    ),
    Request(
        "a wrong token where none is needed",
        "RFC 6750 3.1: a token that is there must be valid",
        get(b"Authorization: Bearer x", target=b"/optional/x"),
        Refused(401, closes=False),
    ),
    Request(
        "the scheme in another case",
        "RFC 9110 11.1: schemes are the same in any case",
        get(TOKEN.replace(b"Bearer", b"bEARER"), target=b"/admin/x"),
        Forwarded((get(*IDENTITY, target=b"/admin/x"),)),
    ),
    Request(
        "an Authorization on a route that requires none",
        "RFC 9110 11.6.2: a proxy passes on what it has not consumed",
        get(b"Authorization: Basic eDp5"),
        Forwarded(),
    ),
]
