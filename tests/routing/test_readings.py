"""No spelling of a path dodges a rule: what an upstream may make of it must choose as what was sent does.

DESIGN section 6, RFC 3986 section 6.2.2, checklist 20 and 21.
"""

from __future__ import annotations

import posixpath
import random
import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from strangler.model.auth import AuthRequirement
from strangler.routing.readings import MOST_READ, MOST_SEGMENTS, PathError, is_plain, readings
from tests.routing.building import a_request, a_route, a_snapshot, chosen

GUARDED = a_snapshot(a_route("/admin/**", auth=AuthRequirement(("shop",))), a_route("/public/**"))
"""Everything below /admin needs a token; /public and whatever no route names are open."""

EXACT = a_snapshot(a_route("/admin", auth=AuthRequirement("shop")), a_route("/**"))
"""/admin itself needs a token."""


def spelt(path: str) -> str | int | None:
    return chosen(GUARDED, a_request(f"GET {path}"))


@pytest.mark.parametrize(
    "path",
    [
        "/public/../admin",
        "/public/../admin/users",
        "/public/..%2fadmin",
        "/public/..%2Fadmin",
        "/public/%2e%2e/admin",
        "/public/%2E./admin",
        "/public/%2e%2e%2fadmin",
        "/public/..%5cadmin",
        "/public/..\\admin",
        "/public\\..\\admin",
        "/public/..;/admin",
        "/public/..;x=1/admin",
        "/public/..%3b/admin",
        "/public/x/../../admin",
        "/public//../../admin",
        "/public/x%2f..%2f..%2fadmin",
        "/admin/../public",
        "/admin%2f..%2fpublic",
        "/admin/..",
    ],
)
def test_a_path_that_leaves_its_prefix_is_refused(path: str) -> None:
    assert spelt(path) == 400


@pytest.mark.parametrize(
    "path",
    [
        "//admin",
        "//admin/users",
        "/%2fadmin",
        "/.//admin",
        "/./admin",
        "/%2e/admin",
        "/x/../admin",
        "/../admin",
        "/admin;x",
        "/admin;x=1/users",
        "/;/admin",
        "/;x/admin",
        "/admin%3bx",
        "/\\admin",
        "/%5cadmin",
        "/admin%2fusers",
        "/admin\\users",
        "/admin%5cusers",
    ],
)
def test_a_disguised_guarded_path_does_not_reach_the_default(path: str) -> None:
    assert spelt(path) == 400


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/admin%2fusers/../..", "a WSGI application decodes and resolves nothing: admin/users/../.."),
        ("/a/%2e%2e/admin/..%2f..%2fb", "a URL library resolves %2e%2e and leaves %2f: /admin/..%2f..%2fb"),
        ("/;%2fa/%2fadmin", "a servlet container drops ;parameters before it decodes: /%2fadmin"),
        ("//admin/../..", "an application merges slashes and resolves nothing: /admin/../.."),
    ],
)
def test_a_path_whose_partial_normal_form_is_guarded_is_refused(path: str, upstream: str) -> None:
    """As sent and in its whole normal form it is an open path, but no upstream need go the whole way."""
    assert spelt(path) == 400, upstream


@pytest.mark.parametrize(
    "path",
    [
        *("//x/admin/y", "//u@x/admin", "//x:80/admin/y", "///x/admin", "/%2fx/admin", "//x//admin"),
        *("/\\x/admin/y", "/%5cx/admin", "/.//x/admin", "//x/a/../admin"),
    ],
)
def test_a_path_that_url_libraries_read_as_a_host_is_refused(path: str) -> None:
    """RFC 3986 section 4.2: a reference that begins with two slashes names an authority."""
    assert spelt(path) == 400


@pytest.mark.parametrize("end", ["%0a", "%0A", "%0d", "%0d%0a", "%01", "%7F", "%09", "%0b%0c"])
def test_a_control_character_behind_an_exact_path_is_refused(end: str) -> None:
    """`$` in a Python pattern matches before a line feed at the end."""
    assert chosen(EXACT, a_request(f"GET /admin{end}")) == 400
    assert chosen(EXACT, a_request(f"GET /adm{end}in")) == 400
    assert chosen(EXACT, a_request(f"GET /open{end}")) == "/**"


@pytest.mark.parametrize("end", ["/x/..", "/.", "/x/../", "/./", "/x/%2e%2e", "/%2e", "//.", "/x/y/../.."])
def test_a_dot_segment_at_the_end_of_an_exact_path_is_refused(end: str) -> None:
    """`posixpath.normpath` and Node's `path.normalize` leave no slash where RFC 3986 does."""
    assert chosen(EXACT, a_request(f"GET /admin{end}")) == (400 if not end.endswith("/") else "/**")


@pytest.mark.parametrize("path", ["/admin;/x", "/admin;x/y", "/admin;/../..", "/x/../admin;/y", "/admin;%2f"])
def test_a_path_that_some_servers_end_at_a_semicolon_is_refused(path: str) -> None:
    """Fastify 4 begins the query at the first semicolon."""
    assert chosen(EXACT, a_request(f"GET {path}")) == 400


def test_a_path_with_too_many_readings_is_refused_cheaply() -> None:
    """The time is bounded by what all readings hold together, so that is what is looked at."""
    pieces = ["/", "//", "\\", "%2f", "%5c", ";", "%3b", "..", ".", "%2e", "%ff", "%01", "a" * 60]
    draw = random.Random(20261129)
    for _ in range(300):
        some = draw.sample(pieces, draw.randint(2, 8))
        path = ("/" + "".join(draw.choices(some, k=draw.choice((10, 100, 1000)))))[:8000]
        try:
            found = readings(path)
        except PathError:
            assert spelt(path) == 400
            continue
        assert sum(map(len, found)) <= MOST_READ or is_plain(path)
    assert spelt("/" + "%ff" * 2595 + "\\;/..") in (None, 400)
    assert spelt("/\\%2f;%3b/%5c../.%2e//%01" * 4) == 400


@pytest.mark.parametrize("path", ["/%61dmin", "/%61%64%6d%69%6e/users", "/adm%69n/"])
def test_an_escaped_letter_is_the_letter(path: str) -> None:
    assert spelt(path) == "/admin/**"


@pytest.mark.parametrize("path", ["/ADMIN", "/admin.", "/admin%20", "/%2561dmin", "/adm%zzin", "/admins"])
def test_another_name_is_another_path(path: str) -> None:
    assert spelt(path) is None


@pytest.mark.parametrize("path", ["/admin%00", "/admin%00.png", "/%00", "/open/%00/../admin"])
def test_a_path_that_some_servers_end_at_a_nul_is_refused(path: str) -> None:
    assert spelt(path) == 400


@pytest.mark.parametrize(
    "path",
    [
        "/a%20b",
        "/caf%C3%A9",
        "/%E2%9C%93/%ff",
        "/a+b",
        "/100%",
        "/%zz",
        "/.well-known/jwks.json",
        "/a/.hidden",
        "/a/...",
        "/a..b/c.",
        "/a//b",
        "/a/./b",
        "/a/../b",
        "/a/b/..",
        "/a;v=1/b;w=2",
        "/a%2Fb",
        "/a%2Fb%2Fc",
        "/a\\b",
        "/~user/a:b@c!$&'()*,=",
    ],
)
@pytest.mark.parametrize(("prefix", "found"), [("", None), ("/public", "/public/**"), ("/admin", "/admin/**")])
def test_an_odd_path_whose_readings_agree_passes(path: str, prefix: str, found: str | None) -> None:
    assert spelt(prefix + path) == found


def test_an_encoded_slash_that_would_change_the_route_is_refused() -> None:
    snapshot = a_snapshot(a_route("/files/{name}"), a_route("/all/**"))
    assert chosen(snapshot, a_request("GET /files/a%20b")) == "/files/{name}"
    assert chosen(snapshot, a_request("GET /files/a%2Fb")) == 400
    assert chosen(snapshot, a_request("GET /all/a%2Fb")) == "/all/**"


def test_readings_may_not_differ_between_routes_of_one_upstream() -> None:
    """Their authorization may differ, and logs and metrics do."""
    snapshot = a_snapshot(
        a_route("/orders/**", upstream="shop"),
        a_route("/orders/admin/**", upstream="shop", auth=AuthRequirement(("shop",), scopes=frozenset({"admin"}))),
    )
    assert chosen(snapshot, a_request("GET /orders/x/..%2fadmin/all")) == 400
    assert chosen(snapshot, a_request("GET /orders//admin/all")) == 400
    assert chosen(snapshot, a_request("GET /orders/x//y")) == "/orders/**"


def test_without_routes_every_path_has_one_meaning() -> None:
    snapshot = a_snapshot()
    assert chosen(snapshot, a_request("GET /a/..%2f//b;c\\d")) is None


def test_methods_and_headers_count_in_every_reading() -> None:
    snapshot = a_snapshot(a_route("/admin/**", methods=["POST"]))
    assert chosen(snapshot, a_request("POST /x/../admin")) == 400
    assert chosen(snapshot, a_request("GET /x/../admin")) is None


def test_an_odd_path_has_a_bounded_number_of_segments() -> None:
    """Every reading costs time, and a client chooses the path."""
    assert spelt("/public" + "/a" * 3000) == "/public/**"
    assert spelt("/public" + "/a" * (MOST_SEGMENTS - 2) + "/%20") == "/public/**"
    for odd in ("/%20", "//", "/..", "/;", "%2f"):
        assert spelt("/public" + "/a" * MOST_SEGMENTS + odd) == 400
    assert spelt("/public/" + "%2f" * 2000) == 400
    assert spelt("/public/" + "\\" * 2000) == 400


# What well-known upstreams make of a path, each written as they do it.


def wsgi(path: str) -> str:
    """Django, Flask and others behind WSGI (PEP 3333): PATH_INFO is decoded, and that is all."""
    return unquote(path, errors="surrogateescape")


def nginx(path: str) -> str:
    """nginx, Apache: decode, merge slashes, resolve dot segments."""
    return resolved(re.sub("/+", "/", unquote(path, errors="surrogateescape")))


def url_library(path: str) -> str:
    """The WHATWG URL parser of Node and browsers: backslashes, dot segments also as %2e, nothing else."""
    segments = path.replace("\\", "/").split("/")
    dotted = [re.sub("(?i)%2e", ".", segment) for segment in segments]
    plain = [dots if dots in (".", "..") else segment for dots, segment in zip(dotted, segments, strict=True)]
    return resolved("/".join(plain))


def servlet(path: str) -> str:
    """Tomcat, Jetty: drop ;parameters, decode, merge slashes, resolve dot segments."""
    bare = "/".join(segment.partition(";")[0] for segment in path.split("/"))
    return resolved(re.sub("/+", "/", unquote(bare, errors="surrogateescape").replace("\\", "/")))


def envoy(path: str) -> str:
    """Envoy with normalize_path and merge_slashes: resolve dot segments first, merge afterwards."""
    return re.sub("/+", "/", url_library(path))


def iis(path: str) -> str:
    """IIS: decode, backslashes are slashes, resolve."""
    return resolved(re.sub("/+", "/", unquote(path, errors="surrogateescape").replace("\\", "/")))


def go(path: str) -> str:
    """Go's ServeMux: decode, path.Clean, and the slash at the end as it was."""
    return normalised("/" + unquote(path, errors="surrogateescape").lstrip("/"))


def new_url(path: str) -> str:
    """`new URL(request.url, base).pathname` of Node: backslashes, then a host, then dot segments also as %2e."""
    path = path.replace("\\", "/")
    if path.startswith("//"):
        path = "/" + path.lstrip("/").partition("/")[2]
    return url_library(path)


def urlsplit_path(path: str) -> str:
    """Python: `urlsplit(target).path`, decoded."""
    try:
        return unquote(urlsplit(path).path, errors="surrogateescape")
    except ValueError:
        return "/"


def without_last_slash(path: str) -> str:
    """Node's `path.posix.normalize` over the decoded path, which leaves no slash behind dots."""
    return normalised(unquote(path, errors="surrogateescape"))


def normalised_as_sent(path: str) -> str:
    """`path.posix.normalize` over the path as sent, which is decoded afterwards."""
    return unquote(normalised(path), errors="surrogateescape")


def normalised(path: str) -> str:
    """Dots resolved as `posixpath` does, but for a slash at the end, which stays."""
    return posixpath.normpath(path) + ("/" if path.endswith("/") and path.strip("/.") else "")


def fastify(path: str) -> str:
    """Fastify 4: the query begins at the first semicolon, encoded slashes and others stay encoded."""
    return re.sub("%(?!2f|3b|5c)(..)", lambda code: unquote(code[0]), path.partition(";")[0], flags=re.IGNORECASE)


def starlette(path: str) -> str:
    """Starlette, Django's re_path: `$` in the pattern also matches before a line feed at the end."""
    return wsgi(path).removesuffix("\n")


def stripping(path: str) -> str:
    """An application that removes control characters, as URL libraries do before they parse."""
    return re.sub(r"[\x00-\x1f\x7f]", "", wsgi(path))


def resolved(path: str) -> str:
    """RFC 3986 section 5.2.4, over a path that begins with a slash."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and segments[-1] in (".", "..") else "")


UPSTREAMS = (
    wsgi,
    nginx,
    url_library,
    servlet,
    envoy,
    iis,
    go,
    new_url,
    urlsplit_path,
    without_last_slash,
    normalised_as_sent,
    fastify,
    starlette,
    stripping,
)
NAMES = ["admin", "a", "public", "..", ".", "%2e", "%2E%2e", "%20", "u@x"]
SEPARATORS = ["/", "/", "//", "%2f", "\\", "%5C", ";", ";x", "%3b", "%0a", "%0D", "%01", "%7f"]
PIECES = NAMES + SEPARATORS


@settings(max_examples=600, deadline=None)
@given(path=st.lists(st.sampled_from(PIECES), max_size=14).map(lambda pieces: "/" + "".join(pieces)))
@example("/admin%2fusers/../..")
@example("/;%2fa/%2fadmin")
@example("/a/%2e%2e/admin/..%2f..%2fb")
@example("/a/%2e%2e/../../admin")
@example("/admin/")
@example("/admin/x/../")
def test_no_reading_of_an_open_path_reaches_a_guarded_one(path: str) -> None:
    below, exact = spelt(path), chosen(EXACT, a_request(f"GET {path}"))
    for upstream in UPSTREAMS:
        seen = upstream(path)
        if below not in ("/admin/**", 400):
            assert seen != "/admin", upstream.__name__
            assert not seen.startswith("/admin/"), upstream.__name__
        if exact not in ("/admin", 400):
            assert seen != "/admin", upstream.__name__


@settings(max_examples=300, deadline=None)
@given(path=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#")).map("/".__add__))
def test_the_first_reading_of_any_path_is_as_sent(path: str) -> None:
    assume("%00" not in path and len(path) < MOST_SEGMENTS)
    try:
        found = readings(path)
    except PathError:
        return
    assert list(found[0]) == [unquote(part, errors="surrogateescape") for part in path.split("/")[1:]]


Normalise = Callable[[str], str]


@pytest.mark.parametrize("upstream", [nginx, servlet, iis, go])
@pytest.mark.parametrize("path", ["/a/b", "/admin/x", "/public/", "/"])
def test_a_path_in_normal_form_means_the_same_everywhere(upstream: Normalise, path: str) -> None:
    assert readings(path) == [tuple(path.split("/")[1:])]
    assert upstream(path).rstrip("/") == path.rstrip("/")
