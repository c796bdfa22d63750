"""Service tokens: made once, renewed, and verified by the key set even while keys change."""

import stat
import time
from pathlib import Path

import jwt
import pytest

from orders_service.key_set import read_key_set
from orders_service.service_tokens import ServiceTokens, SigningKeyError, read_keys


def test_a_key_that_is_not_there_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "key.pem"
    made = ServiceTokens("orders", read_keys([path]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ServiceTokens("orders", read_keys([path])).jwks == made.jwks
    assert [file.name for file in path.parent.iterdir()] == ["key.pem"]


def test_tokens_of_the_old_key_are_valid_while_both_are_in_the_set(tmp_path: Path) -> None:
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    before = ServiceTokens("orders", read_keys([old])).token("inventory")
    rotated = ServiceTokens("orders", read_keys([new, old]))
    keys = read_key_set(str(rotated.jwks).replace("'", '"').encode())
    for token in (before, rotated.token("inventory")):
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, ["RS256"], audience="inventory", issuer="orders")
        assert 0 < claims["exp"] - time.time() <= 60
        with pytest.raises(jwt.InvalidAudienceError):
            jwt.decode(token, key, ["RS256"], audience="payments")
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(rotated.token("inventory"))["kid"]


def test_a_token_is_kept_for_half_its_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ServiceTokens("orders", read_keys([tmp_path / "key.pem"]))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    first = tokens.token("inventory")
    assert tokens.token("inventory") == first
    assert tokens.token("payments") != first
    now += 30
    assert tokens.token("inventory") != first


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("x")
    with pytest.raises(SigningKeyError, match=r"key\.pem"):
        read_keys([path])
