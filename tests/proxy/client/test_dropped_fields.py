"""Fields that servers trust do not reach an upstream from a client, in any spelling, without `pass_headers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strangler.model.dropped_fields import (
    ADDRESS_GROUP,
    AGREEING_GROUP,
    FORWARDING_GROUP,
    GROUPS,
    PLACE_GROUP,
    FieldGroup,
    folded,
)
from strangler.model.snapshot import Snapshot
from strangler.proxy.http import field_actions
from strangler.proxy.http.headers import REMEMBERED_SPELLINGS, request_actions
from tests.proxy.in_process import Plane, run

CLIENT = "192.0.2.7"
"""The peer of clients in memory."""


@pytest.fixture
def wide(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, limits=replace(snapshot.limits, header_bytes=32_768, header_count=100))


def spellings(name: str) -> Iterator[str]:
    yield from (name, name.lower(), name.upper())
    for separator in "_.+!~":
        yield name.lower().replace("-", separator).replace("_", separator)
    yield name.replace("-", "--")


def received(snapshot: Snapshot, fields: list[str]) -> list[tuple[str, str]]:
    """The fields that an upstream gets of one request with `fields`."""
    seen: list[tuple[str, str]] = []

    async def main() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        lines = "".join(f"{field}\r\n" for field in fields)
        client.feed(f"GET /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        await plane.settle()
        (upstream,) = plane.busy()
        head = upstream.take().decode().partition("\r\n\r\n")[0]
        seen.extend((name, value) for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:]))

    run(main)
    return seen


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_no_spelling_of_a_trusted_field_passes_from_a_client(wide: Snapshot, group: FieldGroup) -> None:
    for name in group.names:
        sent = [f"{spelling}: forged" for spelling in dict.fromkeys(spellings(name))]
        seen = received(wide, ["X-Kept: 1", *sent])
        assert ("X-Kept", "1") in seen
        assert "forged" not in [value for _, value in seen], name


def test_script_name_of_a_client_never_reaches_the_upstream(wide: Snapshot) -> None:
    for name in ("SCRIPT_NAME", "script-name", "Script_Name", "SCRIPT.NAME", "PATH_INFO", "Path-Info", "REMOTE_USER"):
        assert folded(name) not in [folded(seen) for seen, _ in received(wide, [f"{name}: /a"])]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_a_trusted_proxy_may_send_the_listed_fields_alone(wide: Snapshot, group: FieldGroup) -> None:
    trusting = replace(wide, trusted_proxies=(f"{CLIENT}/32",))
    sent = "<forged>" if group is FORWARDING_GROUP else "forged"
    for name in group.names:
        values = [value for seen, value in received(trusting, [f"{name}: {sent}"]) if folded(seen) == folded(name)]
        if group is PLACE_GROUP:
            # A port is a number, or nothing.
            assert values == ([] if name == "X-Forwarded-Port" else ["forged"])
        elif group is AGREEING_GROUP:
            assert values == ["off" if name == "X-Forwarded-Ssl" else "http"]
        elif group is ADDRESS_GROUP:
            assert values == [CLIENT]
        elif group is FORWARDING_GROUP:
            assert "<forged>" not in values
        else:
            assert values == []


@pytest.mark.parametrize("group", [group for group in GROUPS if group.passable], ids=lambda group: group.title)
def test_pass_headers_lets_a_named_field_through(wide: Snapshot, group: FieldGroup) -> None:
    name, other = group.names[:2]
    for sender, trusted, passes in (
        ("anyone", (), True),
        ("proxies", (), False),
        ("proxies", ("192.0.2.7/32",), True),
    ):
        configured = replace(wide, trusted_proxies=trusted, pass_headers={folded(name): sender})
        seen = received(configured, [f"{name}: mine", f"{name.lower().replace('-', '_')}: mine", f"{other}: other"])
        assert [value for _, value in seen].count("mine") == (2 if passes else 0)
        if not trusted:
            assert "other" not in [value for _, value in seen]


def test_a_reload_changes_the_dropped_fields_of_open_connections(wide: Snapshot) -> None:
    request = b"GET /x HTTP/1.1\r\nHost: a\r\nX-Client-IP: mine\r\n\r\n"

    async def main() -> None:
        plane = Plane(wide)
        client = plane.client()
        for number, passed in enumerate([{}, {}, {"x-client-ip": "anyone"}, {"x-client-ip": "anyone"}, {}]):
            plane.plane.apply(replace(wide, pass_headers=passed))
            client.feed(request)
            await plane.settle()
            (upstream,) = plane.busy()
            assert (b"X-Client-IP: mine" in upstream.take()) is bool(passed), number
            upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await plane.settle()

    run(main)


def test_remembered_spellings_of_field_names_are_bounded_in_bytes() -> None:
    actions = request_actions({})
    for number in range(3 * REMEMBERED_SPELLINGS):
        assert actions.of(b"X-%d" % number) == 0
        assert actions.of(b"X-%d-%b" % (number, b"x" * 30_000)) == 0
        assert actions.of(b"X-%d: x" % number) == field_actions.NO_NAME
    assert len(actions.known) <= REMEMBERED_SPELLINGS
    assert sum(map(len, actions.known)) < 1_000_000
