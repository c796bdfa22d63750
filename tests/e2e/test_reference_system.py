"""`strangler demo`: the whole reference system through one URL, as `make demo` starts it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from strangler.routing.split import bucket_of
from tests.e2e.reference_system import DEADLINE, Reference, reference_system

pytestmark = pytest.mark.xdist_group("reference system")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """The demo on free ports."""
    with reference_system(tmp_path_factory.mktemp("demo")) as reference:
        yield reference


def csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def browser(system: Reference) -> httpx.Client:
    """Keeps cookies and follows redirects, and names its origin as browsers do."""
    return httpx.Client(base_url=system.gateway, follow_redirects=True, headers={"Origin": system.gateway})


def log_in(client: httpx.Client, name: str, path: str = "/login/") -> httpx.Response:
    page = client.get(path)
    return client.post(
        page.url.path,
        data={"username": name, "password": f"{name}-password", "csrfmiddlewaretoken": csrf(page), "next": ""},
    )


def test_the_printed_curl_lines_work(system: Reference) -> None:
    said = system.output.read_text()
    token = re.search(r"export TOKEN=(\S+)", said)
    assert token is not None
    lines = re.findall(r"^curl .*?(?<!\\)$", said.replace("\\\n", " "), re.MULTILINE)
    assert len(lines) == 6
    statuses = [
        subprocess.run(
            f"TOKEN={token[1]}; {line} -s -o /dev/null -w '%{{http_code}}'",
            shell=True,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for line in lines
    ]
    assert statuses == ["200", "200", "200", "401", "200", "201"]


def test_logging_in_buying_and_paying_in_a_browser(system: Reference) -> None:
    with browser(system) as client:
        account = log_in(client, "alice")
        assert "alice" in account.text
        product = client.get("/products/2/")
        cart = client.post("/cart/add/", data={"product": "2", "quantity": "2", "csrfmiddlewaretoken": csrf(product)})
        assert cart.url.path == "/cart/"
        order = client.post("/checkout/", data={"csrfmiddlewaretoken": csrf(cart)})
        assert re.fullmatch(r"/orders/\d+/", order.url.path)
        paid = client.post(f"{order.url.path}pay/", data={"csrfmiddlewaretoken": csrf(order)})
        assert paid.status_code == 200
        assert "paid" in paid.text.lower()


def test_redirects_stay_on_the_gateways_address(system: Reference) -> None:
    answer = httpx.get(f"{system.gateway}/account")
    assert answer.status_code == 301
    assert httpx.URL(answer.headers["Location"]).netloc in (b"", httpx.URL(system.gateway).netloc)
    anonymous = httpx.get(f"{system.gateway}/account/")
    assert anonymous.status_code == 302
    assert anonymous.headers["Location"].endswith("/login/?next=/account/")


def test_the_admin_works(system: Reference) -> None:
    with browser(system) as client:
        log_in(client, "admin", "/admin/login/?next=/admin/")
        listing = client.get("/admin/catalog/product/")
        assert listing.status_code == 200
        assert "Atlas of Rivers" in listing.text
        form = client.get("/admin/catalog/product/3/change/")
        values = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form.text))
        assert values["csrfmiddlewaretoken"]


def test_static_files_and_entity_tags(system: Reference) -> None:
    page = httpx.get(f"{system.gateway}/")
    style = re.search(r'href="(/static/[^"]+\.css)"', page.text)
    assert style is not None
    assert httpx.get(system.gateway + style[1]).headers["Content-Type"].startswith("text/css")
    # With the cookie that keeps the visitor on one side: an order counts in the monolith's stock alone.
    with httpx.Client(base_url=system.gateway) as visitor:
        product = visitor.get("/api/catalog/products/1")
        again = visitor.get("/api/catalog/products/1", headers={"If-None-Match": product.headers["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_the_monolith_handles_every_target_that_the_gateway_passes(system: Reference) -> None:
    target = "/?" + "x" * 7998
    assert httpx.get(system.gateway + target).status_code == 200
    refused = httpx.get(system.gateway + target + "x")
    assert refused.status_code == 414
    assert refused.json()["detail"] == "The request target is too long."


def test_users_are_served_by_the_extracted_service_alone(system: Reference) -> None:
    headers = {"Authorization": f"Bearer {system.token('bob')}"}
    me = httpx.get(f"{system.gateway}/api/users/me", headers=headers)
    assert me.status_code == 200
    assert me.json()["subject"] == "user-2"
    changed = httpx.patch(f"{system.gateway}/api/users/me", headers=headers, json={"full_name": "Bob Bee"})
    assert changed.json()["full_name"] == "Bob Bee"
    direct = httpx.get(f"http://127.0.0.1:{system.ports[2]}/api/users/me", headers=headers)
    assert direct.json()["full_name"] == "Bob Brandt", "the monolith's own database must not have changed"


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "admin"])
def test_a_callers_catalog_side_follows_from_the_token(system: Reference, name: str) -> None:
    token = system.token(name)
    headers = {"Authorization": f"Bearer {token}"}
    subject = httpx.get(f"{system.gateway}/api/users/me", headers=headers).json()["subject"]
    extracted = bucket_of("catalog", subject) < 1000
    for _ in range(5):
        answer = httpx.get(f"{system.gateway}/api/catalog/products/1", headers=headers)
        # The monolith's server names itself, the service's does not.
        assert ("Server" in answer.headers) is not extracted


def test_both_sides_of_the_catalog_answer_with_the_same_bytes(system: Reference) -> None:
    monolith, catalog = (f"http://127.0.0.1:{system.ports[place]}" for place in (2, 4))
    for path in ("/api/catalog/products?category=books&page_size=3&ordering=-price", "/api/catalog/products/5"):
        legacy, extracted = httpx.get(monolith + path), httpx.get(catalog + path)
        assert legacy.content == extracted.content
        assert legacy.headers["ETag"] == extracted.headers["ETag"]


def test_one_signal_stops_everything(system: Reference) -> None:
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(DEADLINE) == 0
    for port in system.ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"somebody still listens at {port}"


def test_outside_of_a_checkout_the_demo_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "strangler.cli", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "checkout" in done.stderr
