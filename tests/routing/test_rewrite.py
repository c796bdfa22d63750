"""Paths for an upstream, and back."""

from __future__ import annotations

import pytest

from strangler.config.compile.changes import compile_rewrite
from strangler.config.schema.changes import RewriteSection
from strangler.model.changes import Rewrite
from strangler.routing.rewrite import inner_path, is_cut_alike, outer_path


def rewrite(pattern: str, **section: str) -> Rewrite:
    return compile_rewrite(RewriteSection(**section), pattern)


STRIP = rewrite("/shop/**", strip_prefix="/shop")
SWAP = rewrite("/shop/**", strip_prefix="/shop", add_prefix="/v2/api")
ADD = rewrite("/**", add_prefix="/v2")
CAPTURES = rewrite("/users/{id}/orders/{order}/**", path="/o/{order}/of/{id}/**")


@pytest.mark.parametrize(
    ("rule", "outer", "inner"),
    [
        (STRIP, "/shop/cart", "/cart"),
        (STRIP, "/shop/", "/"),
        (STRIP, "/shop/a%20b/%C3%A9;v=1", "/a%20b/%C3%A9;v=1"),
        (SWAP, "/shop/cart", "/v2/api/cart"),
        (SWAP, "/shop/", "/v2/api/"),
        (SWAP, "/shop", "/v2/api"),
        (ADD, "/a/b", "/v2/a/b"),
        (ADD, "/", "/v2/"),
        (CAPTURES, "/users/7/orders/8/lines/9", "/o/8/of/7/lines/9"),
        (CAPTURES, "/users/a%20b/orders/8", "/o/8/of/a%20b"),
        (rewrite("/café/**", strip_prefix="/café"), "/caf%C3%A9/x", "/x"),
        (rewrite("/old/{id}", path="/new/{id}"), "/old/1", "/new/1"),
    ],
)
def test_a_path_is_rewritten_and_back(rule: Rewrite, outer: str, inner: str) -> None:
    assert inner_path(rule, outer) == inner
    assert outer_path(rule, inner) == outer


def test_the_prefix_alone_becomes_the_root() -> None:
    assert inner_path(STRIP, "/shop") == "/"


@pytest.mark.parametrize(
    ("rule", "inner", "outer"),
    [
        (STRIP, "/login", "/shop/login"),
        # The upstream has put the prefix in front itself, by X-Forwarded-Prefix.
        (STRIP, "/shop/login", None),
        (SWAP, "/elsewhere", None),
        (SWAP, "/v2/apis", None),
        (ADD, "/login", None),
        (CAPTURES, "/o/8", None),
        (CAPTURES, "/p/8/of/7", None),
        (rewrite("/users/*/orders/{id}", path="/orders/{id}"), "/orders/8", None),
        (rewrite("/users/{id}", path="/people/{id}"), "/people/8/more", None),
    ],
)
def test_an_upstream_path_is_rewritten_back_if_clients_have_one(rule: Rewrite, inner: str, outer: str | None) -> None:
    assert outer_path(rule, inner) == outer


@pytest.mark.parametrize("path", ["/a/b", "/a%20b", "/.well-known/x", "/a..b", "/%252e%252e/x", "/a;v=1", "/a/"])
def test_unambiguous_paths_are_cut_alike(path: str) -> None:
    assert is_cut_alike(path)


@pytest.mark.parametrize(
    "path",
    ["/a/../b", "/a/%2e%2e/b", "/a/.%2E/b", "/a/..", "/a/..;x/b", "/a//b", "/a%2fb", "/a%5Cb", "/a\\b", "/a/./b"],
)
def test_ambiguous_paths_are_not_cut_alike(path: str) -> None:
    assert not is_cut_alike(path)
