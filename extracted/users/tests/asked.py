"""What both sides are asked, with the status that each request should get."""

from __future__ import annotations

from .odd_tokens import (
    BAD_CLAIMS,
    BAD_FORMS,
    BAD_HEADERS,
    GOOD_CLAIMS,
    LOOSE_FORMS,
    OTHER_SCOPES,
    READING_SCOPES,
)
from .sides import Case

ME = "/api/users/me"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
ALICE = "Authorization: Bearer {alice}"
BOB = "Authorization: Bearer {bob}"
ADMIN = "Authorization: Bearer {admin}"


def cases(status: int, methods: str, targets: list[str], *headers: str, body: bytes = b"") -> list[Case]:
    """Every method on every target."""
    return [Case(status, method, target, headers, body) for target in targets for method in methods.split()]


def bearers(status: int, names: object, target: str, method: str = "GET") -> list[Case]:
    assert isinstance(names, (dict, tuple))
    return [Case(status, method, target, (f"Authorization: Bearer {{{name}}}",)) for name in names]


SHOWN = [
    *cases(
        200,
        "GET HEAD",
        [ME, f"{ME}?x=1&full_name=%FF", f"{ME}?", "/api/users/%6de", "/api%2Fusers%2Fm%65"],
        ALICE,
    ),
    *cases(200, "GET HEAD", [f"/api/users/{number}" for number in (*range(1, 21), 101, 102, 10**18 - 1)], ADMIN),
    *cases(200, "GET", ["http://localhost/api/users/me", "http://elsewhere.example:1/api/users/me"], ALICE),
    *cases(200, "GET HEAD", ["/api/users/%31", "/api/users/1?id=2"], ADMIN),
    *bearers(200, GOOD_CLAIMS, ME),
    *bearers(200, LOOSE_FORMS, ME),
    *bearers(200, READING_SCOPES, "/api/users/2"),
    Case(200, "GET", ME, (ALICE,), version="1.0"),
    Case(200, "GET", ME, (ALICE, JSON), b'{"full_name":"Not changed"}'),
    *(
        Case(200, method, ME, (ALICE, header))
        for method in ("GET", "HEAD")
        for header in (
            "If-None-Match: *",
            'If-Match: "x"',
            "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
            "Range: bytes=0-3",
            "Accept: text/html",
            "Accept-Encoding: gzip, br",
            "Accept-Language: de",
            "Cookie: sessionid=x; csrftoken=y",
            "Origin: https://evil.example",
            "X-HTTP-Method-Override: PATCH",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil.example",
            "X-Auth-Subject: user-3",
            "X-Request-Id: abc",
            "Content-Type: text/plain; charset=utf-16",
        )
    ),
    *(
        Case(200, "GET", ME, (header,))
        for header in (
            "authorization: bearer {alice}",
            "AUTHORIZATION: BEARER {alice}",
            "Authorization:Bearer {alice}",
            "Authorization:\t Bearer    {alice} \t",
        )
    ),
]

TOKENLESS = [
    Case(401, method, target, headers)
    for method, target in (("GET", ME), ("HEAD", ME), ("PATCH", ME), ("GET", "/api/users/1"))
    for headers in (
        (),
        ("Authorization:",),
        ("Authorization: Basic YWxpY2U6eA==",),
        ("Authorization: {alice}",),
        ("Authorization: Bearer\t{alice}",),
        ("Authorization: Bearer{alice}",),
        ("Authorization: Token Bearer {alice}",),
        ("Authorization: \xe9 {alice}",),
        ("Authorization: Basic x", ALICE),
        ("Cookie: token={alice}",),
        ("X-Auth-Subject: user-1",),
    )
] + cases(401, "GET", [f"{ME}?access_token=x"])

BAD_TOKENS = [
    *bearers(401, BAD_CLAIMS, ME),
    *bearers(401, BAD_HEADERS, ME),
    *bearers(401, BAD_FORMS, ME),
    *bearers(401, ("expired", "inactive_user", "stranger"), ME, "HEAD"),
    *bearers(401, ("expired", "inactive_user", "unsigned"), ME, "PATCH"),
    *bearers(401, ("expired", "inactive_staff", "unknown_user"), "/api/users/1"),
    *(
        Case(401, "GET", ME, headers)
        for headers in (
            ("Authorization: Bearer",),
            ("Authorization: Bearer    ",),
            ("Authorization: Bearer .",),
            ("Authorization: Bearer a.b.c",),
            ("Authorization: Bearer {alice}, Bearer {alice}",),
            ("Authorization: Bearer {alice} x",),
            ("Authorization: Bearer \xe9\xff",),
            ('Authorization: Bearer "{alice}"',),
            (ALICE, ALICE),
            (ALICE, "Authorization: Basic x"),
        )
    ),
]

SCOPELESS = [
    *bearers(403, OTHER_SCOPES, "/api/users/1"),
    *cases(403, "GET HEAD", ["/api/users/1", "/api/users/2", "/api/users/999999"], ALICE),
]

UNKNOWN = [
    *cases(404, "GET HEAD", ["/api/users/21", "/api/users/999999999999999998"], ADMIN),
    *cases(
        404,
        "GET HEAD POST PATCH DELETE OPTIONS",
        ["/api/users", "/api/users/", "/api/users/me/", "/api/users/0", "/api/users/me/x"],
        ADMIN,
    ),
    *cases(
        404,
        "GET PATCH",
        [
            "/api/users?x=1",
            "/api/users/ME",
            "/api/users/Me",
            "/api/Users/me",
            "/api/users//me",
            "/api/users/./me",
            "/api/users/1/../me",
            "/api/users/%2e%2e/users/me",
            "/api/users/me;x=1",
            "/api/users/me%3Fx",
            "/api/users/me%23",
            "/api/users/me%0A",
            "/api/users/me%00",
            "/api/users/me%20",
            "/api/users/+me",
            "/api/users/m%C3%A9",
            "/api/users/%FF",
            "/api/users/%",
            "/api/users/%zz",
            "/api/users/me%",
            "/api/users/%256de",
            "/api/users/007",
            "/api/users/-1",
            "/api/users/+1",
            "/api/users/1.0",
            "/api/users/1e1",
            "/api/users/1/",
            "/api/users/1%0a",
            "/api/users/%EF%BC%91",
            "/api/users/%D9%A1",
            "/api/users/1%2F",
            "/api/users/1000000000000000000",
            "/api/users/1234567890123456789012345678901234567890",
            "/api/users/1/orders",
            "/api/users/" + "a" * 2000,
        ],
        ADMIN,
    ),
    *cases(404, "GET POST", ["/api/users/x", "/api/users/me/"]),
]

OTHER_METHODS = [
    *cases(405, "POST PUT DELETE OPTIONS TRACE PROPFIND PURGE", [ME, "/api/users/1", "/api/users/999999"]),
    *cases(405, "PATCH", ["/api/users/1"], ADMIN, JSON, body=b'{"full_name":"Not changed"}'),
    *cases(405, "POST", [ME], ALICE, JSON, "X-HTTP-Method-Override: PATCH", body=b'{"full_name":"Not changed"}'),
    *cases(405, "PUT", [ME], body=b"x" * 70000),
    *cases(
        405,
        "OPTIONS",
        [ME],
        "Origin: https://shop.example",
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: authorization",
    ),
]

LARGE = b'{"email":"' + b"x" * 65530 + b'"}'

BAD_BODIES = [
    *(
        Case(415, "PATCH", ME, (ALICE, *headers), b"{}")
        for headers in (
            (),
            ("Content-Type:",),
            ("Content-Type: text/plain",),
            ("Content-Type: text/json",),
            ("Content-Type: application/json-patch+json",),
            ("Content-Type: application/merge-patch+json",),
            ("Content-Type: application/x-www-form-urlencoded",),
            ("Content-Type: multipart/form-data; boundary=x",),
            ("Content-Type: application /json",),
            ("Content-Type: application/json, text/plain",),
            ("Content-Type: ;application/json",),
            ("Content_Type: application/json",),
        )
    ),
    Case(415, "PATCH", ME, (ALICE, "Content-Type: text/plain"), b"x" * 70000),
    Case(413, "PATCH", ME, (ALICE, JSON), LARGE),
    Case(413, "PATCH", ME, (ALICE, JSON), b" " * 65537),
    Case(413, "PATCH", ME, (ALICE, JSON), b"x" * 3_000_000),
    Case(413, "PATCH", ME, (ALICE, JSON, "Content-Length: 999999999999")),
    Case(413, "PATCH", ME, (ALICE, JSON, CHUNKED), b"10001\r\n" + b" " * 65537 + b"\r\n0\r\n\r\n"),
    Case(413, "PATCH", ME, (ALICE, JSON, CHUNKED), (b"2000\r\n" + b" " * 8192 + b"\r\n") * 9 + b"0\r\n\r\n"),
    Case(401, "PATCH", ME, (JSON,), LARGE),
    *(
        Case(400, "PATCH", ME, (ALICE, JSON), body)
        for body in (
            b"",
            b" ",
            b"{",
            b"{}x",
            b"{'a':1}",
            b'{"email":"a@b.c",}',
            b'{"email"}',
            b"[]",
            b"[{}]",
            b"null",
            b"true",
            b"1",
            b'"x"',
            b"\xef\xbb\xbf{}",
            b'{"email":"\xff"}',
            b'{"email":"\xed\xa0\x80"}',
            b'{"email":"\xc0\x80"}',
            '{"email":"a@b.c"}'.encode("utf-16"),
            '{"email":"ü@b.c"}'.encode("latin-1"),
            b'{"x":NaN}',
            b'{"x":Infinity}',
            b'{"x":-Infinity}',
            b'{"email":"a\nb"}',
            b'{"email":"\x00"}',
            b'{"x":01}',
            b'{"x":1.}',
            b"{/**/}",
            b'{"x":' + b"9" * 4301 + b"}",
            b'{"x":' + b"[" * 60000,
            b'{"x":' + b"[" * 600 + b"]" * 600 + b"}",
            b'{"x":' + b"[" * 100 + b"]" * 100 + b"}",
            b'{"x":' + b"[" * 940 + b"]" * 940 + b"}",
            b'{"x":' + b'{"y":' * 970 + b"1" + b"}" * 970 + b"}",
        )
    ),
    Case(400, "PATCH", ME, (ALICE, JSON, CHUNKED), b"0\r\n\r\n"),
    Case(400, "PATCH", ME, (ALICE, JSON, CHUNKED), b"1\r\n{\r\n0\r\n\r\n"),
]


def wrong(text: str) -> Case:
    return Case(400, "PATCH", ME, (ALICE, JSON), text.encode())


BAD_VALUES = [
    *(
        wrong(f'{{"full_name":{value}}}')
        for value in (
            '""', '" "', '"\\u0085\\u2003"', "null", "1", "true", "[]", '["Alice"]', "{}", '"a\\u0000b"',
            '"a\\tb"', '"a\\u007fb"', '"a\\nb"', '"\\ud800"', '"a\\udfffb"', '"\\udc00\\ud800"', f'"{"x" * 151}"',
            f'"{"ä" * 151}"', f'" {"🌱" * 151} "',
        )
    ),
    *(
        wrong(f'{{"email":{value}}}')
        for value in (
            '""', "null", "1", "[]", '"a"', '"@"', '"a@b"', '"a@b."', '"a@.c"', '"@b.c"', '"a@@b.c"', 
            '"a@b@c.d"', '" a@b.c"', '"a@b.c "', '"a@b.c\\n"', '"a@b.c\\u0000"', '"a\\u0000@b.c"', '"a@b.c\\u007f"',
            '"a@b\\u2003.c"', '"a@b.c\\u0085"', '"a@b.\\ud800"', f'"{"x" * 251}@b.c"',
        )
    ),
    *(
        wrong(text)
        for text in (
            '{"id":1}',
            '{"name":"eve"}',
            '{"is_staff":true,"full_name":"Not Changed"}',
            '{"password":"x","email":"not@changed.example"}',
            '{"":1}',
            '{"Email":"a@b.c"}',
            '{"email ":"a@b.c"}',
            '{"zz":1,"id":2,"\\u0001":1,"\\ud800":2,"ä":3,"Z":4,"🌱":5,"\\uffff":6,"email":1,"full_name":2}',
            '{"?":1,"\\u0001":2}',
            '{"a\\"b\\\\c/":1}',
            '{"x":1,"x":2,"full_name":"ok","full_name":""}',
            '{"x":1e999}',
            '{"x":-0}',
            '{"x":' + "9" * 4300 + "}",
            '{"x":' + "[" * 99 + "]" * 99 + "}",
            '{"x":"' + "[" * 2000 + '\\""}',
            '{"' + "x" * 60000 + '":1}',
        )
    ),
]  # fmt: skip

ASKED = [*SHOWN, *TOKENLESS, *BAD_TOKENS, *SCOPELESS, *UNKNOWN, *OTHER_METHODS, *BAD_BODIES, *BAD_VALUES]

# One after another, by the same caller.
CHANGES = [
    "{}",
    '{"full_name":"Alice Änders"}',
    '{"email":"a@b.c"}',
    '{"full_name":"  \\u0085 Tim Trimmed \\u2003\\n\\u001f"}',
    '{"full_name":"\\u00e9\\ud83c\\udf31 \\"quoted\\" <b> & \\\\"}',
    f'{{"full_name":"{"x" * 150}"}}',
    f'{{"full_name":"{"🌱" * 150}"}}',
    '{"full_name":"\\u0080\\u200b\\ufeff\\ufffe"}',
    f'{{"email":"{"x" * 250}@b.c"}}',
    '{"email":"ü.ö@bücher.example"}',
    '{"email":"<a>\\"b,;c@[d].e"}',
    '{"email":"a@b..c"}',
    '{"email":1,"email":"last@shop.example"}',
    '{"full_name":"Both","email":"both@shop.example"}',
    ' \t\r\n{"email" : "blanks@shop.example"}\n ',
    '{"email":"b@shop.example","full_name":"1"}',
]
