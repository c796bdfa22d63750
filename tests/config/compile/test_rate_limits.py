"""Rate limits as written, and as workers hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.load import ConfigurationError, load
from strangler.model.caller import StickyKey
from strangler.model.rate_limits import RateLimit, Redis

BASE = """
version: 1
upstreams: {monolith: {endpoints: "http://127.0.0.1:8100"}, catalog: {endpoints: "http://127.0.0.1:8201"}}
migrations:
  catalog:
    from: monolith
    to: catalog
    stage: extracted
    rate_limits: [{requests: 100, per: 1m, key: ["claim:sub", ip]}]
    routes:
      - {name: products, match: {path: /products}}
      - name: search
        match: {path: /search}
        rate_limits: [{requests: 5, burst: 10}, {requests: 7}]
"""


def loaded(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    return path


def test_routes_have_the_limits_of_their_migration_and_their_own(tmp_path: Path) -> None:
    products, search = load(loaded(tmp_path, BASE)).snapshot.routes
    common = RateLimit("catalog/*", 100, 60.0, 100, (StickyKey("claim", "sub"), StickyKey("ip")))
    assert products.rate_limits == (common,)
    assert search.rate_limits == (
        common,
        RateLimit("catalog/search", 5, 1.0, 10),
        RateLimit("catalog/search:2", 7, 1.0, 7),
    )


def test_redis_comes_with_its_defaults(tmp_path: Path) -> None:
    assert load(loaded(tmp_path, BASE)).snapshot.redis is None
    with_redis = BASE + "redis: {url: 'redis://127.0.0.1:6379/0'}\n"
    assert load(loaded(tmp_path, with_redis)).snapshot.redis == Redis("redis://127.0.0.1:6379/0", 0.1, "local")


def test_a_password_comes_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_REDIS", "rediss://:secret@redis.example/0")
    snapshot = load(loaded(tmp_path, BASE + "redis: {url: '${SHOP_REDIS}'}\n")).snapshot
    assert snapshot.redis is not None
    assert snapshot.redis.url == "rediss://:secret@redis.example/0"
    assert "secret" not in repr(snapshot.redis)
    with pytest.raises(ConfigurationError, match="a password must not be in the YAML"):
        load(loaded(tmp_path, BASE + "redis: {url: 'redis://:secret@redis.example/0'}\n"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{requests: 1, key: visitor}", "would limit no caller"),
        ("{requests: 1, key: none}", "would limit no caller"),
        ("{requests: 0}", "requests"),
        ("{requests: 1, per: 0s}", "per"),
        ("{requests: 1, key: []}", "key"),
        ("{per: 1s}", "requests"),
    ],
)
def test_rate_limits_without_effect_are_refused(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(loaded(tmp_path, BASE.replace("{requests: 5, burst: 10}", written)))
    assert said in str(error.value.problems[0])


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://", "unix://", "redis://127.0.0.1:0", "redis://h:x"])
def test_urls_that_are_not_redis_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError):
        load(loaded(tmp_path, BASE + f"redis: {{url: '{url}'}}\n"))
