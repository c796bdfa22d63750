"""Which keys of a set are used, and when the set is fetched."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from users_service.key_set import KeySetError, read_key_set
from users_service.keys import FetchError, Keys, NoKeys, key_source

URL = "https://id.shop.example/.well-known/jwks.json"


def document(*members: object) -> bytes:
    return json.dumps({"keys": members}).encode()


class TestKeySet:
    def test_keys_by_their_id(self, issuer: Any) -> None:
        keys = read_key_set(document(issuer.jwk(), issuer.jwk(kid="other", use=None), issuer.jwk(kid=None)))
        assert sorted(keys) == ["", "key-1", "other"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"use": "enc"},
            {"alg": "RS512"},
            {"alg": "PS256"},
            {"key_ops": ["sign"]},
            {"key_ops": "verify"},
            {"kty": "oct", "k": "c2VjcmV0"},
            {"d": "AQAB"},
            {"n": "!"},
            {"n": None},
            {"kid": 7},
        ],
        ids=str,
    )
    def test_others_are_left_out(self, issuer: Any, changes: dict[str, Any]) -> None:
        assert list(read_key_set(document(issuer.jwk(kid="good"), issuer.jwk(**{"kid": "bad"} | changes)))) == ["good"]

    def test_weak_and_other_kinds_are_left_out(self, issuer: Any) -> None:
        weak = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
        curve = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
        members = (weak | {"kid": "weak"}, curve | {"kid": "curve"}, None, "x", issuer.jwk())
        assert list(read_key_set(document(*members))) == ["key-1"]

    def test_two_of_one_id_are_none(self, issuer: Any) -> None:
        keys = read_key_set(document(issuer.jwk(kid="twin"), issuer.jwk(kid="twin"), issuer.jwk()))
        assert list(keys) == ["key-1"]

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"[" * 100_000])
    def test_no_key_set(self, text: bytes) -> None:
        with pytest.raises(KeySetError):
            read_key_set(text)


class Source:
    """Where keys come from, with a clock that stands still unless it is moved."""

    def __init__(self, answer: bytes) -> None:
        self.answer: bytes | None = answer
        self.fetches = 0
        self.now = 1000.0

    async def fetch(self) -> bytes:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.answer is None:
            raise FetchError("down")
        return self.answer

    def keys(self, floor: float = 10.0) -> Keys:
        return Keys(self.fetch, refresh=300.0, floor=floor, clock=lambda: self.now)


@pytest.mark.anyio
class TestFetching:
    async def test_an_unknown_id_causes_one_fetch_for_all_who_ask(self, issuer: Any) -> None:
        source = Source(document(issuer.jwk()))
        keys = source.keys()
        found = await asyncio.gather(*(keys.find("key-1") for _ in range(20)))
        assert None not in found
        assert source.fetches == 1

    async def test_a_flood_of_unknown_ids_causes_no_flood_of_fetches(self, issuer: Any) -> None:
        source = Source(document(issuer.jwk()))
        keys = source.keys()
        for number in range(100):
            assert await keys.find(f"made-up-{number}") is None
        assert source.fetches == 1
        source.now += 10
        assert await keys.find("made-up") is None
        assert source.fetches == 2

    async def test_a_new_key_is_found_and_a_withdrawn_one_is_forgotten(self, issuer: Any) -> None:
        source = Source(document(issuer.jwk()))
        keys = source.keys()
        assert await keys.find("key-1") is not None
        source.answer = document(issuer.jwk(kid="key-2"))
        source.now += 10
        assert await keys.find("key-2") is not None
        assert await keys.find("key-1") is None

    @pytest.mark.parametrize("answer", [None, b"<html>", b'{"keys":[]}'])
    async def test_the_last_good_keys_stay(self, issuer: Any, answer: bytes | None) -> None:
        source = Source(document(issuer.jwk()))
        keys = source.keys()
        assert await keys.find("key-1") is not None
        source.answer = answer
        source.now += 1000
        assert await keys.find("key-2") is None
        assert await keys.find("key-1") is not None
        assert source.fetches == 2

    async def test_without_any_key_nothing_is_known_of_a_token(self) -> None:
        source = Source(b"")
        keys = source.keys()
        with pytest.raises(NoKeys):
            await keys.find("key-1")
        assert not keys.ready

    async def test_a_token_without_id_is_of_the_only_key(self, issuer: Any) -> None:
        source = Source(document(issuer.jwk()))
        keys = source.keys(floor=0)
        assert await keys.find(None) is not None
        source.answer = document(issuer.jwk(), issuer.jwk(kid="key-2"))
        await keys.find("unknown")
        assert await keys.find(None) is None


@pytest.mark.anyio
class TestSource:
    async def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "jwks.json"
        path.write_bytes(b"{}")
        assert await key_source(str(path), 1)() == b"{}"
        path.write_bytes(b" " * (256 * 1024 + 1))
        with pytest.raises(FetchError, match="larger"):
            await key_source(str(path), 1)()
        with pytest.raises(FetchError, match="No such file"):
            await key_source(str(tmp_path / "missing"), 1)()

    @respx.mock
    async def test_a_url(self) -> None:
        route = respx.get(URL).respond(content=b"{}")
        assert await key_source(URL, 1)() == b"{}"
        for answer in (
            {"return_value": httpx.Response(404)},
            {"return_value": httpx.Response(302, headers={"Location": "http://evil.example/"})},
            {"return_value": httpx.Response(200, content=b" " * (256 * 1024 + 1))},
            {"side_effect": httpx.ConnectError("refused")},
        ):
            route.mock(**answer)
            with pytest.raises(FetchError):
                await key_source(URL, 1)()

    async def test_a_url_that_never_answers(self) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(FetchError, match="Timeout"):
                await key_source(f"http://127.0.0.1:{port}/", 0.1)()
