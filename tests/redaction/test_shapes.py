"""Secrets are told by their look wherever they stand; what only resembles them is left alone."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strangler.model.shadow import Redact
from strangler.redaction.names import SecretNames
from strangler.redaction.redaction import REDACTED, Redaction
from tests.redaction.redacted_pairs import answered, kept, pair
from tests.redaction.secret_samples import MISSING, SAMPLES, luhn

REDACTION = Redaction()
WITH_CARDS = Redaction(Redact(card_numbers=False))


def test_every_shape_has_a_sample() -> None:
    assert not MISSING


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("place", ["{}", "see {} there", "a\n{}\nb", "({})", 'x="{}"', "/a/{}/b", "_{}_"])
def test_a_shape_is_told_in_any_text(name: str, place: str) -> None:
    secret, parts = SAMPLES[name](7)
    shown = REDACTION.text(place.format(secret))
    assert REDACTED in shown
    assert not any(part in shown for part in parts)


# ----- wherever it stands

_WORDS = st.sampled_from(["order 66", "a", "", "x: y", "1,2", "total = 3.50", "see", "<b>", "50% off", "ö", "\\n", '"'])
_SECRETS = st.tuples(st.sampled_from(sorted(SAMPLES)), st.integers(0, 10**6))
_KEYS = st.sampled_from(["id", "title", "note", "items", "by name", "v"])


def _in_json(draw: st.DrawFn, text: str, other: str) -> tuple[str, str]:
    planted = {text: other}
    document = draw(
        st.recursive(
            st.none() | st.integers() | _WORDS | st.just(text),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
            max_leaves=10,
        )
    )
    document = {"map": {text: 1, "kept": document}} if draw(st.booleans()) else [document, {"note": text}]

    def changed(value: object) -> object:
        if isinstance(value, dict):
            return {planted.get(key, key): changed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [changed(inner) for inner in value]
        return planted.get(value, value) if isinstance(value, str) else value

    ascii_only = draw(st.booleans())
    return json.dumps(document, ensure_ascii=ascii_only), json.dumps(changed(document), ensure_ascii=ascii_only)


_HTML = [
    "<p>{}</p>",
    "<ul><li>one<li>{}</ul>",
    '<a href="/x?y={}">z</a>',
    "<div data-x='{}'>x</div>",
    "<!-- {} --><p>x</p>",
    "<script>var x = {};</script>",
    "<table><tr><td>a<td>{}</table>",
    "<input name=q value='{}'>",
    "<pre>\n{}\n</pre>",
    "<textarea>{}</textarea>",
    "<p title='x'>a <b>{}</b> c</p>",
]
_MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{}\r\n'
    '--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: {}\r\n\r\n{}\r\n--x--\r\n'
)


@st.composite
def documents(draw: st.DrawFn, text: str, other: str) -> tuple[str, str, str]:
    """A media type, and two bodies of it that hold `text` and `other` somewhere."""
    kind = draw(st.sampled_from(["json", "lines", "html", "text", "csv", "form", "multipart", "xml"]))
    before, after = draw(_WORDS), draw(_WORDS)

    def both(make: Callable[[str], str]) -> tuple[str, str]:
        return make(text), make(other)

    if kind == "json":
        return "application/json", *_in_json(draw, f"{before} {text}", f"{before} {other}")
    if kind == "lines":
        return "application/x-ndjson", *both(lambda secret: f"{json.dumps([1])}\n{json.dumps({'a': secret})}\n")
    if kind == "html":
        place = draw(st.sampled_from(_HTML))
        return "text/html", *both(lambda secret: f"<main><p>{before}</p>{place.format(html.escape(secret))}</main>")
    if kind == "xml":
        return "application/xml", *both(lambda secret: f"<a><b>{html.escape(secret)}</b></a>")
    if kind == "text":
        return "text/plain", *both(lambda secret: f"{before}\n{secret} {after}\nend")
    if kind == "csv":
        return "text/csv", *both(lambda secret: f'id,note\n1,"{secret}"\n2,b\n')
    if kind == "form":
        written = draw(st.sampled_from([quote, quote_plus]))
        return "application/x-www-form-urlencoded", *both(lambda secret: f"a=1&note={written(secret)}&b=2")
    inner = draw(st.sampled_from(["text/plain", "application/json"]))
    return "multipart/form-data; boundary=x", *both(
        lambda secret: _MULTIPART.format(before, inner, json.dumps({"a": secret}) if inner.endswith("json") else secret)
    )


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_SECRETS, st.data())
def test_a_secret_in_a_body_is_kept_nowhere(chosen: tuple[str, int], data: st.DataObject) -> None:
    name, number = chosen
    (secret, parts), (other, others) = SAMPLES[name](number), SAMPLES[name](number + 1)
    content_type, legacy, extracted = data.draw(documents(secret, other))
    whole = pair(
        b"Content-Type: %b\r\n" % content_type.encode(),
        answered(content_type, legacy.encode()),
        answered(content_type, extracted.encode()),
        body=legacy.encode(),
    )
    found = kept(whole, REDACTION)
    assert not [part for part in (*parts, *others) if part in found]


@settings(max_examples=300, deadline=None)
@given(_SECRETS, st.sampled_from(["header", "name", "cookie", "attribute", "query", "raw query", "path", "fragment"]))
def test_a_secret_in_a_header_query_or_path_is_kept_nowhere(chosen: tuple[str, int], place: str) -> None:
    name, number = chosen
    pairs = [SAMPLES[name](number), SAMPLES[name](number + 1)]
    sides, targets, requests = [], [], []
    for secret, _ in pairs:
        line = secret.replace("\n", "\\n")
        targets.append(
            {
                "query": f"/items?a=b&note={quote(secret, safe='')}&c=d",
                "raw query": f"/items?note={line.replace(' ', '+')}",
                "path": f"/items/{quote(secret, safe='')}/x",
                "fragment": f"/items#note={quote_plus(secret)}",
            }.get(place, "/items")
        )
        fields = {
            "header": [f"X-Note: see {line} there"],
            "name": [f"X-{quote(secret, safe='').replace('%', '-')}: x"],
            "cookie": [f"Set-Cookie: a={line}; Path=/"],
            "attribute": [f"Set-Cookie: a=b; Path=/{line}"],
        }.get(place, [f"Location: {targets[-1]}"])
        requests.append("".join(f"{field.replace('Set-Cookie', 'Cookie')}\r\n" for field in fields))
        sides.append(answered("text/plain", b"x", *(field.encode() for field in fields)))
    found = kept(pair(requests[0].encode(), *sides, targets[0].encode()), REDACTION)
    as_name = place == "name" and not all(re.fullmatch(r"[\w.+-]+", secret) for secret, _ in pairs)
    assert as_name or not [part for _, parts in pairs for part in parts if part in found]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_secret_in_an_example_that_was_cut_shows_no_part(name: str) -> None:
    # Values of differences are cut after 500 characters, also within a secret.
    for before in range(440, 500, 3):
        texts = [json.dumps({"a": {"b": ["y" * before, SAMPLES[name](number)[0]]}}) for number in (1, 2)]
        sides = [answered("application/json", text.encode()) for text in ("{}", texts[0])]
        found = kept(pair(b"", sides[0], sides[1]), REDACTION)
        (part,) = SAMPLES[name](1)[1][:1]
        assert part[:10] not in found


# ----- what only resembles them

ORDINARY = [
    "8f14e45f-ceea-467f-a0e6-1f2d3c4b5a69",
    "12345678-1234-4234-8234-123456789012",
    "urn:uuid:8f14e45f-ceea-467f-a0e6-1f2d3c4b5a69",
    "5d41402abc4b2a76b9719d911017c592",
    "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC",
    '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "507f1f77bcf86cd799439011",
    "cuid-cjld2cjxh0000qzrmn831i7rn",
    "ORD-2026-000123",
    "order 4111111111111112",
    "R123456789",
    "1Z999AA10123456784",
    "4006381333931",
    "9780306406157",
    "978-0-306-40615-7",
    "1764417600000",
    "1764417600000000",
    "1764417600000000000",
    "20261129120000",
    "2026-11-29T12:00:00.123456Z",
    "+49 30 901820",
    "+1 (555) 010-9999",
    "192.168.100.200",
    "2001:db8::ff00:42:8329",
    "0.4111111111111111",
    "3.141592653589793",
    "48.8566140, 2.3522219",
    "175928847299117063",
    "00000000000000000000",
    "9999999999999999",
    "task_live_aaaaaaaaaaaaaaaa",
    "sk-loading-indicator-wrapper-large",
    "npm_config_registry",
    "glossary-of-terms-and-conditions",
    "ghp_short",
    "AKIA is a prefix",
    "basic information about authentication",
    "Basic realm",
    "https://shop.example/a/b?page=2&sort=price&code=DE&keys=1",
    "mailto:someone@shop.example",
    "//cdn.shop.example/a@2x.png",
    "eyJ is how they begin",
    "-----BEGIN CERTIFICATE-----",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    "v1.2.3-rc.1+build.20261129",
    "SGVsbG8gd29ybGQsIHRoaXMgaXMgYmFzZTY0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
]


@pytest.mark.parametrize("text", [text for text in ORDINARY if "//cdn" not in text])
def test_ordinary_values_are_shown(text: str) -> None:
    assert REDACTION.text(text) == text
    assert REDACTION.value({"value": text, text: 1}) == {"value": text, text: 1}
    assert REDACTION.body("text/plain", f"a {text} b".encode()) == f"a {text} b"


@pytest.mark.parametrize("number", [1764417600000, 1764417600000000, 175928847299117063, 10**15, 0.1, 4111111111111112])
def test_ordinary_numbers_are_shown(number: float) -> None:
    assert REDACTION.value([number]) == [number]


@pytest.mark.parametrize(
    "name",
    [
        *("order_number", "country_code", "postal_code", "zip_code", "company", "panel", "spanning", "resort_code"),
        *(
            "syntax_id",
            "caliban",
            "libanon",
            "card_brand",
            "card_type",
            "has_iban",
            "iban_verified",
            "id",
            "product_id",
        ),
        *("signature_algorithm", "hmac_algorithm", "email_signature", "archive", "keyboard", "key", "code", "hash"),
        *("passport_country", "account_id", "account", "routing", "patient", "number", "track", "birth_country"),
    ],
)
def test_names_of_ordinary_fields(name: str) -> None:
    assert name not in SecretNames()


@pytest.mark.parametrize(
    "name",
    [
        *("card_number", "cardNumber", "creditCardNumber", "CARD-NO", "pan", "iban", "customerIBAN", "bank_account"),
        *("account_number", "routingNumber", "sort_code", "cvv2", "ssn", "SSN", "user_ssn", "socialSecurityNumber"),
        *("date_of_birth", "dob", "passportNumber", "drivers_license", "tax_id", "national_id", "mrn", "diagnosis"),
        *("medical_record_number", "nhsNumber", "bloodType", "mfa_code", "otpCode", "connection_string", "dsn"),
        *("SENTRY_DSN", "connectionString", "code_verifier", "hmac", "webhook_secret", "seed_phrase", "license_key"),
    ],
)
def test_names_of_money_health_identity_and_connections(name: str) -> None:
    assert REDACTION.value({name: {"deep": "S3cret"}}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name",
    [
        *("Stripe-Signature", "X-Hub-Signature", "X-Hub-Signature-256", "X-Slack-Signature", "X-Shopify-Hmac-Sha256"),
        *(
            "X-Twilio-Signature",
            "svix-signature",
            "Webhook-Signature",
            "X-Signature-Ed25519",
            "PAYPAL-TRANSMISSION-SIG",
        ),
        *("X-Wc-Webhook-Signature", "X-Acme-HMAC", "Signature", "X-Custom-Auth"),
    ],
)
def test_signatures_of_webhooks(name: str) -> None:
    assert REDACTION.headers(((name.encode(), b"v1=S3cret"),)) == [[name, REDACTED]]
    assert REDACTION.at(f"header:{name.lower()}", "v1=S3cret") == REDACTED


@pytest.mark.parametrize("name", ["Signature-Input", "X-Signature-Timestamp", "X-Hmac-Algorithm", "Author", "ETag"])
def test_other_headers(name: str) -> None:
    assert REDACTION.headers(((name.encode(), b"shown"),)) == [[name, "shown"]]


@pytest.mark.parametrize("name", ["key", "KEY", "hmac", "ticket", "k%65y", "sig"])
def test_names_in_queries(name: str) -> None:
    assert REDACTION.target(f"/a?b=c&{name}=S3cret&d=e") == f"/a?b=c&{name}={REDACTED}&d=e"


def test_a_code_in_a_query_is_secret_beside_a_state_or_if_it_is_long() -> None:
    assert REDACTION.target("/cb?code=S3cret&state=x") == f"/cb?code={REDACTED}&state=x"
    assert "SplxlOBeZQQYbYS6" not in REDACTION.target("/cb?code=SplxlOBeZQQYbYS6WxSbIA")
    assert REDACTION.target("/vat?code=DE&state=").startswith("/vat?code=[")
    assert REDACTION.target("/vat?code=DE") == "/vat?code=DE"


def test_what_is_private_in_a_json_web_key_is_redacted() -> None:
    key = {"kty": "RSA", "n": "modulus", "e": "AQAB", "d": "S3cret", "p": "S3cret", "kid": "1"}
    shown = REDACTION.value({"keys": [key], "d": "kept"})
    assert shown == {"keys": [{**key, "d": REDACTED, "p": REDACTED}], "d": "kept"}


# ----- numbers of cards

CARDS = [
    *("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111"),
    *("5555555555554444", "2223003122003222", "378282246310005", "3782 822463 10005", "30569309025904"),
    *("3056 930902 5904", "6011111111111117", "3566002020360505", "6200000000000005"),
]


@pytest.mark.parametrize("card", CARDS)
def test_numbers_of_cards_are_redacted_unless_the_configuration_keeps_them(card: str) -> None:
    assert luhn("".join(filter(str.isdigit, card)))
    assert REDACTION.text(f"paid with {card}, thanks") == f"paid with {REDACTED}, thanks"
    assert REDACTION.value({"a": card, "b": [card]}) == {"a": REDACTED, "b": [REDACTED]}
    assert WITH_CARDS.text(f"paid with {card}, thanks") == f"paid with {card}, thanks"
    if card.isdigit():
        assert REDACTION.value([int(card), float(card)]) == [REDACTED, REDACTED]
        assert WITH_CARDS.value([int(card)]) == [int(card)]
        assert REDACTION.at("$.a", card) == REDACTED
        assert REDACTION.at("$.a", f"{float(card)!r}") == REDACTED


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4111 1111 1111 1111 12", f"{REDACTED} 12"),
        ("2345 4111 1111 1111 1111", f"2345 {REDACTED}"),
        ("4111 1111 1111 1112 4111 1111 1111 1111", f"4111 1111 1111 1112 {REDACTED}"),
        ("4111111111111111,4111111111111112", f"{REDACTED},4111111111111112"),
    ],
)
def test_a_card_is_found_beside_other_digits(text: str, shown: str) -> None:
    assert REDACTION.text(text) == shown


def test_a_secret_in_the_name_of_a_pair_is_kept_nowhere() -> None:
    # A list of a credential's name and its value; the name holds another secret.
    (secret, parts), (other, others) = SAMPLES["Bearer token"](0), SAMPLES["Bearer token"](1)
    legacy, extracted = (json.dumps([[f"order 66 {text}", None]]).encode() for text in (secret, other))
    fields = b"Content-Type: application/json\r\n"
    whole = pair(fields, answered("application/json", legacy), answered("application/json", extracted), body=legacy)
    assert not [part for part in (*parts, *others) if part in kept(whole, REDACTION)]
