"""Where a secret may stand, and how it may be named and encoded: it is never kept."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.comparison.compare import compare
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.model.shadow import Redact
from strangler.redaction import bodies, markup, names, redaction, shapes
from strangler.redaction import text as secret_text
from strangler.redaction.names import SecretNames
from strangler.redaction.redaction import REDACTED, Redaction
from strangler.shadow.evidence.document import documented
from tests.counted_calls import counted_calls
from tests.redaction.counted_searches import CountedSearches
from tests.redaction.redacted_pairs import answered, pair, stored

REDACTION = Redaction(Redact(frozenset({"email", "home-address"})))
SECRET = "S3cretValue"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.{SECRET}"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "Password",
            "new_password",
            "passwordConfirmation",
            "password2",
            "user.password",
            "passwd",
            "pwd",
        ),
        *("user[password]", "password[]", "user[0][password]", "user__password", "db-pass"),
        *("accessToken", "access_token", "refreshToken", "id-token", "X-Auth-Token", "X-Access-Token", "tokens"),
        *("token_value", "clientSecret", "client_secret", "secret", "SECRET_KEY", "apiKey", "api-key", "API_KEY"),
        *("Api-Key", "X-Api-Key", "Ocp-Apim-Subscription-Key", "privateKey", "credentials", "X-Amz-Credential"),
        *("Authorization", "Proxy-Authorization", "X-Authorization", "Cookie", "Set-Cookie", "sessionid", "PHPSESSID"),
        *("connect.sid", "csrfmiddlewaretoken", "X-CSRFToken", "xsrf", "jwt", "session", "otp", "cvv", "sig"),
        *("email", "E-Mail", "user[email]", "homeAddress", "HOME_ADDRESS"),
    ],
)
def test_names_of_credentials(name: str) -> None:
    assert name in REDACTION.names
    assert REDACTION.value({name: SECRET}) == {name: REDACTED}
    assert SECRET not in REDACTION.form(f"a=b&{name}={SECRET}")


@pytest.mark.parametrize(
    "name",
    [
        *("token_type", "tokenType", "tokens_used", "max_tokens", "total_tokens", "tokenizer", "token_endpoint"),
        *("password_changed_at", "has_password", "secretary", "csrf_enabled"),
        *("Access-Control-Allow-Credentials", "WWW-Authenticate", "author", "authenticated", "public_key", "keyboard"),
        *("pinned", "spin", "compass", "sessions", "session_count", "signatures", "code", "id", "name", "key", "value"),
        *("Content-Type", "ETag", "Idempotency-Key", "expires_in", "mailer", "emails_sent", "side"),
    ],
)
def test_names_of_other_things(name: str) -> None:
    names = SecretNames({"email"})
    assert name not in names
    assert REDACTION.value({name: "shown"}) == {name: "shown"}


def test_names_without_letters_are_compared_as_they_are() -> None:
    assert "$$" in SecretNames({"$$"})
    assert "--" not in SecretNames({"$$", ""})
    assert "Größe" in SecretNames({"GRÖSSE"})


BODIES = [
    ("application/json", f'{{"user": {{"new_password": "{SECRET}"}}}}'),
    ("application/json", f'{{"payload": "{{\\"password\\": \\"{SECRET}\\"}}"}}'),
    ("application/json", f'{{"payload": "{{\\"password\\": \\"{SECRET}\\"}}", "payload": ""}}'),
    ("application/json", f'{{"page": "<input value=\\"{SECRET}\\" name=\\"password\\">"}}'),
    ("application/json", f'{{"pass\\u0077ord": "{SECRET}", "number": NaN}}'),
    ("application/json", f'\ufeff{{"pass\\u0077ord": "{SECRET}"}}'),
    ("text/plain", f'{{"pass\\u0077ord": "{SECRET}"}}'),
    ("text/plain", f'data: {{"pass\\u0077ord": "{SECRET}"}}'),
    ("text/event-stream", f'data: {{"password":\ndata: "{SECRET}"}}'),
    ("application/json", f"{{'password': '{SECRET}',}}"),
    ("application/x-ndjson", f'{{"a": 1}}\n{{"pass\\u0077ord": "{SECRET}"}}'),
    ("application/json", f'{{"sessions": {{"{JWT}": 1}}}}'),
    ("application/json", f'{{"Bearer {SECRET}": 1, "/cb?token={SECRET}": 2}}'),
    *(("application/json", f'["{scheme}{SECRET}"]') for scheme in ("BEARER ", "Bearer  ", "Bearer\\t")),
    ("application/json", f'{{"fields": [{{"name": "password", "value": "{SECRET}"}}, ["token", "{SECRET}"]]}}'),
    ("application/json", f'["https://user:{SECRET}@host/path"]'),
    (FORM, f"user%5Bpassword%5D={SECRET}"),
    (FORM, f"pass%2577ord={SECRET}&a=b"),
    (FORM, f"a=1;password=x;{SECRET}&c=d"),
    (FORM, f"a=Bearer%20{SECRET}&b=Bearer+{SECRET}"),
    (FORM, f"a=%65yJhbGciOiJIUzI1NiJ9.eyJz.{SECRET}"),
    (FORM, f"a=%7B%22password%22%3A%22{SECRET}%22%7D"),
    (FORM, f'{{"password":"x=&{SECRET}"}}'),
    (FORM, f"a=Bearer+x.pass%2577ord%3D{SECRET}"),
    ("text/plain", f"{JWT} and pass%77ord={SECRET}"),
    ("", f"password={SECRET}&a=b"),
    (MULTIPART, f'--x\r\nContent-Disposition: form-data; name="user[password]"\r\n\r\n{SECRET}\r\n--x--\r\n'),
    (MULTIPART, f'--x\r\nContent-Disposition: form-data; name="pass%77ord"\r\n\r\n{SECRET}\r\n--x--\r\n'),
    (MULTIPART, f"--x\nContent-Disposition: form-data; name=password\n\n{SECRET}\n--x--\n"),
    (MULTIPART, f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{{"token": "{SECRET}"}}\r\n--x--\r\n'),
    (MULTIPART, f"--x\r\nContent-Disposition: form-data; name*=UTF-8''password\r\n\r\n{SECRET}\r\n--x--\r\n"),
    (MULTIPART, f'--y\r\nContent-Disposition: form-data; name="password"\r\n\r\n{SECRET}\r\n--y--\r\n'),
    ("multipart/form-data", f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{SECRET}\r\n--x--\r\n'),
    ("", f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{SECRET}\r\n--x--\r\n'),
    ("application/xml", f"<a><ns:Password kind='x'>\n  {SECRET}\n</ns:Password></a>"),
    ("application/xml", f"<a><password><![CDATA[{SECRET}]]></password></a>"),
    ("application/xml", f'<a authorization="Basic {SECRET}"/>'),
    ("application/soap+xml", f'<add value="{SECRET}" key="api-key" />'),
    ("text/xml", f"<dict><key>password</key><string>{SECRET}</string></dict>"),
    ("text/html", f'<form><input value={SECRET} type=password><input name="q" value="shown"></form>'),
    ("text/html", f'<input type="hidden" name="csrfmiddlewaretoken" value="{SECRET}">'),
    ("text/html", f'<input name="pass&#119;ord" value="{SECRET}">'),
    ("text/html", f'<meta content="{SECRET}" name="csrf-token">'),
    ("text/html", f'<textarea name="secret">{SECRET}</textarea>'),
    ("text/html", f"<table><tr><td><b>API key:</b></td><td>{SECRET}</td></tr></table>"),
    ("text/html", f'<label>Password <input value="{SECRET}"></label>'),
    ("text/html", f'<span id="token"/>{SECRET}</span>'),
    ("text/html", f'<a href="/cb?a=b&amp;access_token={SECRET}">x</a>'),
    ("text/html", f"<div data-config='{{&quot;password&quot;: &quot;{SECRET}&quot;}}'>"),
    ("text/html", f'<p data-page="&lt;input value=&quot;{SECRET}&quot; name=&quot;password&quot;&gt;">x</p>'),
    ("text/html", f"<!-- password: {SECRET} --><script>var csrfToken = '{SECRET}'</script>"),
    ("text/html", f'<script type="application/json">{{"accessToken": "{SECRET}"}}</script>'),
    ("text/html", f'<input name="password" value="{SECRET}'),
    ("application/javascript", f'var x = {{password: "{SECRET}"}}; store("token", "{SECRET}")'),
    ("application/yaml", f"password: |\n  {SECRET}\n"),
    ("text/csv", f"user,password\nbob,{SECRET}\n"),
    ("application/x-protobuf", f"\x0a\x0b{SECRET}"),
    ("text/plain; charset=utf-7", f"+AHA-assword={SECRET}"),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
def test_bodies(content_type: str, body: str) -> None:
    assert SECRET not in (REDACTION.body(content_type, body.encode()) or "")
    assert SECRET not in stored(REDACTION, content_type, body.encode(), body.replace(SECRET, f"{SECRET}2").encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_what_is_not_in_utf_8_is_not_kept(encoding: str) -> None:
    body = f'{{"password": "{SECRET}"}}'.encode(encoding)
    for content_type in ("application/json", f"application/json; charset={encoding}", "text/plain", ""):
        assert REDACTION.body(content_type, body) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("Location", value) for value in (f"/done?access_token={SECRET}", f"/done#access_token={SECRET}")),
        ("Location", f"https://app/cb?state=1#/in?x=y&access_token={SECRET}"),
        ("Location", f"https://user:{SECRET}@host/"),
        ("Location", f"/x;jsessionid={SECRET}?a=b"),
        ("Refresh", f"0; url=/?token={SECRET}"),
        ("Link", f"</users?access_token={SECRET}>; rel=next"),
        ("X-Original-URL", f"/x?a=Bearer%20{SECRET}"),
        *((name, SECRET) for name in ("X-Auth-Token", "X-Access-Token", "Api-Key", "X-Api-Key", "Cookie2")),
        *(("Set-Cookie", value) for value in (SECRET, f"{SECRET}; Path=/", f"a={SECRET}", f"a=b; Path=/, c={SECRET}")),
    ],
)
def test_headers(name: str, value: str) -> None:
    assert SECRET not in str(REDACTION.headers(((name.encode(), value.encode()),)))
    assert SECRET not in str(REDACTION.at(f"header:{name.lower()}", value))


def test_a_header_stays_one() -> None:
    (shown,) = REDACTION.headers(((b"X-A", b'{"password": "x", "a": "\\u20ac"}'),))
    assert shown == ["X-A", REDACTED]
    assert REDACTION.headers(((b"X-A", b"\xe9"), (b"X\x00", b"a"))) == [["X-A", "é"], [REDACTED, REDACTED]]


def test_a_location_is_shown_in_a_difference_as_it_is_in_the_headers() -> None:
    value = f"/done?a=b&access_token={SECRET}#x"
    shown = f"/done?a=b&access_token={REDACTED}#x"
    assert REDACTION.at("header:location", value) == shown
    assert REDACTION.headers(((b"Location", value.encode()),)) == [["Location", shown]]


def test_the_values_of_cookies_are_not_shown_their_attributes_are() -> None:
    assert REDACTION.at("cookie:sid", SECRET) == REDACTED
    assert REDACTION.at(f"cookie:a@{SECRET}", SECRET) == REDACTED
    assert REDACTION.at("cookie:sid@samesite", "lax") == "lax"
    assert REDACTION.at("cookie:sid", "is set") == "is set"
    assert REDACTION.path("cookie:sid@path") == "cookie:sid@path"


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("key", [JWT, f"Bearer {SECRET}", f"/cb?access_token={SECRET}", f"https://u:{SECRET}@h/"])
def test_keys_that_look_like_tokens_stand_in_no_path_or_signature(key: str, values: bool) -> None:
    bodies = [json.dumps({"sessions": {key: number, "kept": number}}).encode() for number in (1, 2)]
    one, other = (answered("application/json", body) for body in bodies)
    comparison = compare(one.response, other.response, DEFAULT_RULES)
    assert SECRET not in str([(item.path, item.signature, item.place) for item in comparison.differences])
    document = orjson.loads(orjson.dumps(documented(pair(b"", one, other), comparison, values, REDACTION)))
    assert SECRET not in str(document)
    assert {item["path"] for item in document["differences"]} == {f'$.sessions["{REDACTED}"]', "$.sessions.kept"}
    assert {item.place for item in comparison.differences} == {"$.sessions[*]", "$.sessions.kept"}


def test_several_keys_that_are_tokens_stay_several() -> None:
    assert len(REDACTION.value({JWT: 1, f"{JWT}2": 2, REDACTED: 3})) == 3


HARMLESS = [
    ("application/json", '{\n  "a": "x = y: z",\n  "token_type": "Bearer",\n  "b": "<p>hi</p> 50% & more"\n}'),
    (FORM, "a=b&grant_type=password&q=x%20y+z;c=d&token_type=x"),
    ("text/html", '<!doctype html><form id=f><p class="a b">1 < 2 &amp; 3</p><input name=q value="x"/><br></form>'),
    ("text/html", '<label for="password">Password</label>'),
    ("application/xml", '<?xml version="1.0"?><a b="c"><d/>text<!-- note --><![CDATA[x < y]]></a>'),
    ("text/plain", "one: two\nthree = four"),
    (MULTIPART, '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
    ("text/csv", "a,b\n1,2\n"),
    ("application/x-ndjson", '{"a":1}\n\n{"b":2}\n'),
]


@pytest.mark.parametrize(("content_type", "body"), HARMLESS)
def test_what_is_not_secret_stays_as_it_is(content_type: str, body: str) -> None:
    assert REDACTION.body(content_type, body.encode()) == body


def test_around_what_is_secret_all_else_stays() -> None:
    page = '<form><input type="hidden" name="token" value="x" class="a"><input name="q" value="y"></form>'
    assert REDACTION.body("text/html", page.encode()) == (
        f'<form><input type="hidden" name="token" value="{REDACTED}" class="{REDACTED}">'
        '<input name="q" value="y"></form>'
    )
    assert REDACTION.body("text/xml", b"<a><token>x</token><b>c</b></a>") == f"<a><token>{REDACTED}</token><b>c</b></a>"
    form = REDACTION.body(
        MULTIPART,
        b'--x\r\nContent-Disposition: form-data; name="pin"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
    )
    assert form is not None
    assert form.count(REDACTED) == 1
    assert 'name="pin"' in form
    assert "\r\n\r\nb\r\n" in form


@pytest.mark.parametrize(
    ("content_type", "legacy", "extracted", "shown"),
    [
        ("text/html", "<ul><li>one</li></ul>", "<ul><li>two</li></ul>", ["one", "two"]),
        ("text/html", "<a href='/a?b=c&amp;d=e'>x</a>", "<a href='/f'>x</a>", ["/a?b=c&d=e", "/f"]),
        ("text/html", "<p>a &lt; b</p>", "<p>c</p>", ["a < b", "c"]),
        ("text/plain", "a\nb", "a\nc", ["b", "c"]),
        ("text/plain; charset=latin-1", "a\né", "a\nè", ["é", "è"]),
        ("application/xml", "<a>\n<b>c</b>\n</a>", "<a>\n<b>d</b>\n</a>", ["<b>c</b>", "<b>d</b>"]),
        ("application/json", '{"a": "x\\ny <b> \\u00e9"}', '{"a": 1.50}', ['"x\\ny <b> é"', "1.50"]),
        ("application/json", '{"a": {"b": "c", "token": "d"}}', "{}", [f'{{"b":"c","token":"{REDACTED}"}}', None]),
    ],
)
def test_differences_show_what_is_not_secret(
    content_type: str, legacy: str, extracted: str, shown: list[str | None]
) -> None:
    charset = "latin-1" if "latin" in content_type else "utf-8"
    one, other = (answered(content_type, body.encode(charset)) for body in (legacy, extracted))
    document = documented(pair(b"", one, other), compare(one.response, other.response, DEFAULT_RULES), True, REDACTION)
    (difference,) = document["differences"]
    assert [difference["legacy"], difference["extracted"]] == shown


def _as_json(text: str) -> str:
    return json.dumps({"payload": [text]})


def _as_parameter(text: str) -> str:
    return f"a=b&next={quote(text)}"


def _as_attribute(text: str) -> str:
    return f'<p data-x="{html.escape(text)}">x</p>'


def _as_script(text: str) -> str:
    return f"<script>var x = {json.dumps(text)}</script>"


def _as_part(text: str) -> str:
    return f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{text}\r\n--x--\r\n'


NAMES = st.sampled_from(["password", "accessToken", "user[api-key]", "client.secret", "E-Mail", "X-CSRF-Token"])
PLACES = st.sampled_from(
    [
        '{{"{name}": "{secret}"}}',
        '{{"a": [{{"{name}": {{"b": ["{secret}"]}}}}]}}',
        '{{"name": "{name}", "value": "{secret}"}}',
        "{name}={secret}",
        "/cb?a=b&{name}={secret}",
        "/cb#{name}={secret}",
        "https://user:{secret}@host/",
        "Bearer {secret}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.{secret}",
        '<input value="{secret}" name="{name}">',
        '<b id="{name}">{secret}</b>',
        '--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{secret}\r\n--x--\r\n',
        "{name}: {secret}",
    ]
)
WRAPPED: st.SearchStrategy[list[Callable[[str], str]]] = st.lists(
    st.sampled_from([_as_json, _as_parameter, _as_attribute, _as_script, _as_part]), max_size=3
)
TYPES = st.sampled_from(
    ["", "application/json", FORM, MULTIPART, "text/html", "application/xml", "text/plain", "application/x-ndjson"]
)


@settings(max_examples=400, deadline=None)
@given(TYPES, NAMES, PLACES, WRAPPED, st.integers(0, 10**9))
def test_a_secret_is_kept_nowhere(
    content_type: str, name: str, place: str, wrapped: list[Callable[[str], str]], number: int
) -> None:
    secret = f"{SECRET}{number}"
    texts = []
    for value in (secret, f"{secret}0"):
        text = place.format(name=name, secret=value)
        for wrap in wrapped:
            text = wrap(text)
        texts.append(text)
    assert SECRET not in stored(REDACTION, content_type, texts[0].encode(), texts[1].encode(), in_urls=True)


@pytest.mark.parametrize(
    "repeated",
    [
        *("a=", "password ", "eyJ", "//", "//a", "<", "<a ", "<a b='", "<!--", "<token>", "</token", "<script", "&#"),
        *("%25", "\\", '"\\', "bearer ", "[", '{"a":', "\r\n--x", "token", "token_type", "a;", "_", "id=", " "),
    ],
)
def test_texts_of_any_kind_are_read_in_one_go(repeated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = CountedSearches(monkeypatch, bodies, markup, names, redaction, shapes, secret_text)
    redaction_counted = Redaction(Redact(frozenset({"email", "home-address"})))
    for content_type in ("text/html", "text/plain", FORM, MULTIPART, "application/json"):
        for beginning in ("token", ""):
            work = []
            for length in (3_000, 6_000):
                body = (beginning + repeated * (length // len(repeated))).encode()
                counted.characters = 0
                with counted_calls() as so_far:
                    redaction_counted.body(content_type, body)
                work.append(so_far() + counted.characters)
            # Read again from each beginning in it, a text of twice the length takes four times as much.
            assert work[1] < 2.3 * work[0] + 1000, (content_type, beginning)
