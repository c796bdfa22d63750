"""What both sides are asked, with the status that each request should get."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from .sides import Case

LIST = "/api/catalog/products"

# By the names that stand for their entity tags.
TAGGED = {"list": LIST, "one": f"{LIST}/1", "page": f"{LIST}?page=2&page_size=7"}


def cases(status: int, methods: str, targets: Iterable[str], *headers: str, body: bytes = b"") -> list[Case]:
    """Every method on every target."""
    return [Case(status, method, target, headers, body) for target in targets for method in methods.split()]


def words(text: str) -> list[str]:
    """Of targets and queries, in which there are no blanks."""
    return text.split()


def lists(status: int, queries: Iterable[str]) -> list[Case]:
    return cases(status, "GET", [f"{LIST}?{query}" for query in queries])


ORDERINGS = [sign + name for name in ("id", "name", "price", "created_at") for sign in ("", "-")]

PAGES = ("", "page=2&page_size=3", "page_size=100", "page=3", "page_size=7")


def combined() -> Iterator[str]:
    """Every filter with every other, each such combination in two of the orderings, on one of the pages."""
    combinations = itertools.product(
        ("", "category=books", "category=odd_-9"),
        ("", "q=a", f"q={quote('é')}"),
        ("", "min_price=20", "max_price=50.5", "min_price=10&max_price=40"),
        ("", "in_stock=true", "in_stock=false"),
    )
    for number, filters in enumerate(combinations):
        for ordering in ORDERINGS[number % 4 :: 4]:
            parts = (*filters, f"ordering={ordering}", PAGES[number % len(PAGES)])
            yield "&".join(part for part in parts if part)


TEXTS = [
    "atlas", "ATLAS", "At Home", "é", "É", "Études", "études", "ähre", "ÄHRE", "Ä", "ä", "ß",
    "SS", "\u0131", "\u0130", "i", "K",
    "k", "ﬁ", "fi", "\U0001f331", "\uff21", "a", "\u2013", "%", "100%", "%25", "_", "_raw_",
    "\\", "\\\\", "'", '"', "''", "twice\"",
    "*", "?", "[a-z]", "<b>", "&amp;", ";", "+", "#", "/", "\u2028", "\ufffd", "\ufeff", "x" * 100, "ä" * 100,
    "\U0001f331" * 100, " " * 200 + "lamp" + "\u2003\n", "merci\" on", ". The", "Lantern \u2013 L",
]  # fmt: skip

FOUND = [
    *lists(200, combined()),
    *lists(200, [f"q={quote(text)}" for text in TEXTS]),
    *lists(200, [f"q={quote(text)}&page=2&page_size=1" for text in TEXTS[::4]]),
    *lists(200, [f"ordering={ordering}&page_size=100&page={page}" for ordering in ORDERINGS for page in (1, 2)]),
    *lists(
        200,
        words("""
        category=toys category=empty category=none category=Books category=+books category=%00 category=%FF
        category=b%C3%B6%C3%B6ks category=a,b category=%2A
        min_price=0 min_price=00000001.00 min_price=12.5 min_price=12.50 min_price=21474836.47 min_price=21474836.48
        max_price=0 max_price=0.0 max_price=0.01 max_price=3.5 max_price=99999999.99
        min_price=50&max_price=20 min_price=36.5&max_price=36.50
        page=1 page=6 page=7 page=8 page=999999 page=127&page_size=1 page=128&page_size=1
        page_size=1 page_size=9 page_size=10 page_size=99 page_size=100 page_size=100&page=2
        category=empty&page=1 category=empty&page=2 category=empty&page=999999&page_size=100
        """),
    ),
    # How a query is read, and what of it links repeat.
    *lists(
        200,
        words("""
        & &&& = =1 &=& page page= q q= q=+ q=%20%0A%1F%C2%85 q=++&page=2 in_stock= page=2&page_size=
        page=2&page=3 page=3&page= page=&page=3 page=x&page=2 ordering=x&ordering= q=a&q=b&page=2
        category=books&category= category=&category=books&page=2
        unknown=1&page=2 Page=2 PAGE_SIZE=1 page%5B%5D=2 page[]=2 +page=2 page+=2
        %70age=2 p%61ge=%32 q=a%26page%3D2&page=2 q=%2B&page=2 q=%3D q=a=b q=a%20b&page=2 q=a+b&page=2
        q=%c3%a9&page=2 q=%C3%A9&page=2 q=~-._*&page=2
        q=% q=%2 q=%zz&page=2 q=%C3&page=2 q=%C3%28&page=2 q=%FF%FE&page=2 q=%ED%A0%80&page=2 q=%C0%80&page=2
        q=%F0%9F%8C%B1&page=2 q=%F4%90%80%80&page=2 q=%EF%BF%BD q=%2500&page=2
        page=2;page=3&page=2 q=;page=2 q=a;b&page=2 ?page=2 page=2&? q=?&page=2 q=/api/x&page=2
        page_size=2&page=2&ordering=-price&in_stock=true&max_price=90&min_price=1&q=a&category=books
        page=2&page_size=2&q=+%C3%A4h%C3%A4+&x=%FF q=%22%27%3C%3E&page=2 q='%22%3C>&page=2
        """),
    ),
    *lists(200, ["&".join(f"x{number}={number}" for number in range(500)), f"x={'y' * 8000}&page=2"]),
    *lists(200, [f"page=2{'&' * 8000}"]),
]  # fmt: skip

REFUSED = [
    *lists(400, [f"q={quote(text)}" for text in ("x" * 101, "ä" * 101, "a\0", "a\tb", "a\x7fb", "\x1b[0m", "a\nb")]),
    *lists(
        400,
        [
            f"{name}={quote(text)}"
            for name in ("min_price", "max_price")
            for text in ("x", "-1", "+1", " 1", "1 ", "1.", ".5", "1.234", "1,5", "1e3", "0x1", "1_0", "123456789",
                         "\u0661", "\uff11", "1\n", "1.5\0", "NaN", "1.5.5", "\u00b2")
        ],
    ),
    *lists(400, [f"in_stock={text}" for text in ("True", "TRUE", "1", "0", "yes", "no", "+true", "true%0A", "%FF")]),
    *lists(
        400,
        [
            f"ordering={quote(text)}"
            for text in ("x", "ID", "--id", "+id", "id,name", "price_cents", "-", "stock", "?", "id ", "pk", "\0")
        ],
    ),
    *lists(
        400,
        [
            f"{name}={quote(text)}"
            for name in ("page", "page_size")
            for text in ("0", "00", "01", "-1", "+1", "1.0", "x", " ", "1 ", "\u0661", "1\n", "1000000", "9" * 30)
        ],
    ),
    *lists(
        400,
        [
            "page_size=101",
            "page_size=200",
            "page=2&page=x",
            "page_size=0&page=0&ordering=x&in_stock=x&max_price=x&min_price=x&q=a%00&category=%00",
            "category=books&q=" + "x" * 101 + "&page=0",
            "min_price=%FF&max_price=%FF&ordering=%FF",
        ],
    ),
    *cases(400, "HEAD", [f"{LIST}?page=0", f"{LIST}?q=%00a%00"]),
    *cases(400, "GET HEAD", [f"{LIST}?page=0"], "If-None-Match: *"),
]  # fmt: skip

SHOWN = [
    *cases(200, "GET", [f"{LIST}/{number}" for number in (*range(1, 12), 120, *range(201, 207), 10**18 - 1)]),
    *cases(200, "HEAD", [LIST, f"{LIST}?page=2", f"{LIST}?category=empty", f"{LIST}/1", f"{LIST}/203"]),
    *cases(
        200,
        "GET HEAD",
        [
            *(f"{LIST}/%31", f"{LIST}/1?", f"{LIST}/1?page=x", f"{LIST}?", "/api/catalog%2Fproducts/1"),
            *("/%61pi/catalog/products", "/api/catalo%67/product%73?page=2", f"http://localhost{LIST}/1"),
            *(f"http://elsewhere.example:1{LIST}?page=2", f"HTTP://LOCALHOST{LIST}/2"),
        ],
    ),
    Case(200, "GET", LIST, version="1.0"),
    Case(200, "GET", f"{LIST}/1", ("Content-Type: application/json",), b'{"page":2}'),
    *(
        Case(200, method, target, (header,))
        for method, target in (("GET", f"{LIST}?q=%C3%A9"), ("HEAD", f"{LIST}/1"))
        for header in (
            "Authorization: Bearer nonsense",
            "Authorization: Basic YTpi",
            "Cookie: sessionid=x; csrftoken=y; a",
            "Accept: text/html;q=1, application/json;q=0",
            "Accept-Encoding: gzip, br",
            "Accept-Language: de",
            "Origin: https://evil.example",
            "X-Requested-With: XMLHttpRequest",
            "X-HTTP-Method-Override: DELETE",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Prefix: /x",
            "Content-Type: text/plain; charset=latin-1",
            "Content-Type: application/json; charset=utf-16",
            "Range: bytes=0-1",
            'If-Range: "x"',
            'If-Match: "x"',
            "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
            "If-Unmodified-Since: Fri, 01 Jan 1999 00:00:00 GMT",
            "Cache-Control: no-cache",
            "Expect: 100-continue",
        )
    ),
]

CONDITIONS = [
    Case(status, method, target, tuple(line.replace("TAG", f"{{{name}}}") for line in lines))
    for name, target in TAGGED.items()
    for method, (status, lines) in itertools.product(
        ("GET", "HEAD"),
        (
            (304, ("If-None-Match: TAG",)),
            (304, ("if-none-match:TAG",)),
            (304, ("If-None-Match: W/TAG",)),
            (304, ("If-None-Match: *",)),
            (304, ("If-None-Match: \t* \t",)),
            (304, ('If-None-Match: "x", TAG',)),
            (304, ('If-None-Match: "x" ,,\t W/TAG , y',)),
            (304, ('If-None-Match: "x"', "If-None-Match: TAG")),
            (304, ("If-None-Match: TAG", "If-None-Match: ")),
            (304, ("If-None-Match: TAG", 'If-Match: "x"', "Range: bytes=0-1")),
            (304, ("If-None-Match: TAG", "Cookie: sessionid=x; csrftoken=y")),
            (304, ('If-None-Match: "a,TAG',)),
            (200, ("If-None-Match:",)),
            (200, ('If-None-Match: ""',)),
            (200, ('If-None-Match: "x"',)),
            (200, ("If-None-Match: w/TAG",)),
            (200, ("If-None-Match: W/ TAG",)),
            (200, ("If-None-Match: TAGx",)),
            (200, ("If-None-Match: TAG TAG",)),
            (200, ('If-None-Match: *, "x"',)),
            (200, ("If-None-Match: * *",)),
            (200, ('If-None-Match: "*"',)),
            (200, ("If-None-Match: \xe9\xff",)),
            (200, ("If_None_Match: TAG",)),
            (200, ("If-Match: TAG",)),
        ),
    )
]

UNKNOWN = [
    *cases(
        404,
        "GET HEAD POST PUT DELETE OPTIONS",
        ["/api/catalog", "/api/catalog/", f"{LIST}/", f"{LIST}/0", f"{LIST}/1/", "/api/catalog/categories"],
    ),
    *cases(404, "GET HEAD", [f"{LIST}/121", f"{LIST}/999999999999999998"]),
    *cases(404, "GET", [f"{LIST}/121"], "If-None-Match: *"),
    *cases(
        404,
        "GET POST",
        [
            LIST + rest
            for rest in words("""
            /007 /-1 /+1 /1.0 /1e1 /0x1 /abc /1,2 /1;x /1%20 /%201 /1%0A /%0A1 /1%00 /%EF%BC%91 /%D9%A1 /%FF /% /%zz
            /1% /%2531 /1%2F /1%3Fpage=2 /1%23 /1000000000000000000 /1/reviews %0A %20 %2F //1 /./1 /../products
            /%2e%2e/products ;x .json
            """)
        ],
    ),
    *cases(
        404,
        "GET POST",
        words("""
        /api/catalog//products /api/Catalog/products /api/catalog/Products /api/catalog/PRODUCTS/1
        /api/catalog/products%00 /api/catalog/produ%C3%A7ts /api/catalog/%FF
        """),
    ),
    *cases(404, "GET POST", [f"{LIST}/{'9' * 40}", f"/api/catalog/{'a' * 3000}"]),
]  # fmt: skip

OTHER_METHODS = [
    *cases(405, "POST PUT PATCH DELETE OPTIONS TRACE PROPFIND PURGE", [LIST, f"{LIST}/1", f"{LIST}/999"]),
    *cases(405, "POST DELETE", [f"{LIST}?page=0"]),
    *cases(405, "POST", [LIST], "Content-Type: application/json", body=b'{"name":"x"}'),
    *cases(405, "PUT", [f"{LIST}/1"], "If-None-Match: *", "Content-Type: text/plain", body=b"x" * 100_000),
    *cases(405, "POST", [LIST], "X-HTTP-Method-Override: GET", "Cookie: csrftoken=y"),
    *cases(405, "DELETE", [f"{LIST}/1"], "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    *cases(405, "OPTIONS", [LIST], "Origin: https://shop.example", "Access-Control-Request-Method: GET"),
]  # fmt: skip

ASKED = [*FOUND, *REFUSED, *SHOWN, *CONDITIONS, *UNKNOWN, *OTHER_METHODS]
