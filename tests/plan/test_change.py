"""What a changed configuration moves: shares of requests and callers, ways back, and what can't be known."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from strangler.config.load import load
from strangler.plan.change import Plan, plan
from strangler.plan.picture import picture_of
from strangler.plan.words import as_json, lines, summary
from tests.plan.configurations import BASE, picture, week

UPSTREAMS = BASE["upstreams"]


def planned(folder: Path, old: dict[str, object], new: dict[str, object]) -> Plan:
    return plan(picture(folder, **old), picture(folder, **new), week())


def test_the_same_configuration_moves_nothing(tmp_path: Path) -> None:
    found = planned(tmp_path, {}, {})
    assert list(lines(found)) == [
        "nothing that routes requests changes",
        "this change sends 0.0 % of last week's requests, 0.0 % of its callers, to another upstream",
    ]


def test_a_higher_share_moves_that_part_of_the_routes_traffic(tmp_path: Path) -> None:
    found = planned(tmp_path, {}, {"catalog": {"canary": {"percent": 25, "sticky": "ip"}}})
    assert list(lines(found)) == [
        "~ migration catalog: canary 10 % → 25 %",
        "> catalog/all: 15.0 % of its callers from shop to catalog, 9.0 % of all requests",
        "this change sends 9.0 % of last week's requests, "
        f"{found.moved_callers / found.callers * 100:.1f} % of its callers, to another upstream",
    ]
    assert found.moved_callers == pytest.approx(0.15 * 900, rel=0.08)
    assert (found.back, found.twice) == ([], [])


def test_a_lower_share_moves_callers_back(tmp_path: Path) -> None:
    found = planned(tmp_path, {}, {"catalog": {"canary": {"percent": 4, "sticky": "ip"}}})
    assert "BACK: 6.0 % of the callers of catalog/all go back to the legacy side" in list(lines(found))
    assert (len(found.back), found.twice) == (1, [])


@pytest.mark.parametrize(
    ("old", "new", "back"),
    [
        ({"stage": "extracted"}, {"stage": "canary"}, 0.9),
        ({"stage": "extracted"}, {"stage": "shadow"}, 1.0),
        ({"stage": "canary"}, {"stage": "legacy"}, 0.1),
        ({"stage": "shadow"}, {"stage": "canary"}, 0.0),
        ({"stage": "canary"}, {"stage": "extracted"}, 0.0),
        ({"stage": "extracted"}, {"stage": "retired"}, 0.0),
        ({"stage": "canary"}, {"stage": "rollout", "rollout": {}}, 0.1),
    ],
)
def test_stages_move_callers_forward_and_back(
    tmp_path: Path, old: dict[str, object], new: dict[str, object], back: float
) -> None:
    found = planned(tmp_path, {"catalog": old}, {"catalog": new})
    assert sum(move.redrawn.back for move in found.back) == pytest.approx(back)


def test_other_sticky_keys_draw_callers_anew_who_switch_twice(tmp_path: Path) -> None:
    changed = {"canary": {"percent": 20, "sticky": "visitor"}}
    found = planned(tmp_path, {}, {"catalog": changed})
    (move,) = found.twice
    # Of the 10 % on the extracted side four fifths go back, and of the others a fifth comes.
    assert move.redrawn.back == pytest.approx(0.08)
    assert move.redrawn.ways == {
        ("catalog", "shop"): pytest.approx(0.08),
        ("shop", "catalog"): pytest.approx(0.18),
    }
    assert "drawn anew, they switch again when the share rises" in "\n".join(lines(found))


def test_a_route_with_another_upstream_moves_all_of_it(tmp_path: Path) -> None:
    routes = [{"name": "orders", "match": {"path": "/orders/{id}"}, "upstream": "catalog"}]
    found = planned(tmp_path, {}, {"routes": routes})
    assert "> orders: all of its callers from shop to catalog, 10.0 % of all requests" in list(lines(found))
    assert found.moved_callers == pytest.approx(900, rel=0.08)


def test_callers_of_several_moved_routes_count_once(tmp_path: Path) -> None:
    found = planned(tmp_path, {}, {"default": "catalog", "routes": [{**BASE["routes"][0], "upstream": "catalog"}]})
    assert {move.route for move in found.moves} == {"orders", ""}
    assert found.moved_requests == pytest.approx(0.4 * 168_000)
    assert found.moved_callers == pytest.approx(1200, rel=0.08)


def test_a_removed_route_falls_to_the_next_one(tmp_path: Path) -> None:
    found = planned(tmp_path, {}, {"routes": [], "default": "catalog"})
    assert {move.route for move in found.moves} == {"orders", ""}
    assert "- route orders: path /orders/{id}; upstream shop" in list(lines(found))


def test_requests_without_a_default_get_404(tmp_path: Path) -> None:
    old = picture(tmp_path)
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in BASE.items() if key != "default"}))
    found = plan(old, picture_of(load(file, {}).snapshot), week())
    assert "> default: all of its callers from shop to 404, 30.0 % of all requests" in list(lines(found))
    assert "~ default: shop → none" in list(lines(found))


def test_a_renamed_route_moves_nothing(tmp_path: Path) -> None:
    found = planned(tmp_path, {}, {"routes": [{**BASE["routes"][0], "name": "order"}]})
    assert found.moves == []


def test_a_new_route_takes_an_unknown_part_of_another(tmp_path: Path) -> None:
    routes = [*BASE["routes"], {"name": "top", "match": {"path": "/orders/top"}, "upstream": "catalog"}]
    found = planned(tmp_path, {}, {"routes": routes})
    assert found.unknown == ["route top: it takes a part of those of route orders; how large it is was not counted"]
    # To the same upstream it would move nothing.
    routes[1] = {**routes[1], "upstream": "shop"}
    assert planned(tmp_path, {}, {"routes": routes}).unknown == []


def test_methods_that_go_different_ways_are_unknown(tmp_path: Path) -> None:
    routes = [
        {"name": "reads", "match": {"path": "/orders/{id}", "methods": ["GET"]}, "upstream": "catalog"},
        {"name": "writes", "match": {"path": "/orders/{id}"}, "upstream": "shop"},
    ]
    found = planned(tmp_path, {}, {"routes": routes})
    assert "route orders: its requests go different ways, depending on their method" in found.unknown


def test_where_a_rollout_stands_is_not_known_from_a_file(tmp_path: Path) -> None:
    rollout = {"catalog": {"stage": "rollout", "rollout": {}}}
    found = planned(tmp_path, rollout, {"catalog": {"stage": "extracted"}})
    assert found.unknown == [
        "route catalog/all: a file does not tell where its rollout stands; compare with the running gateway"
    ]
    assert planned(tmp_path, rollout, rollout).moves == []


def test_lists_overrides_and_endpoints_are_reported(tmp_path: Path) -> None:
    new = {
        "catalog": {"always": ["header:X-Beta"], "never": ["ip:10.0.0.0/8"]},
        "upstreams": {**UPSTREAMS, "catalog": {"endpoints": ["http://127.0.0.1:2", "http://127.0.0.1:3"]}},
    }
    assert list(lines(planned(tmp_path, {}, new)))[:2] == [
        "~ migration catalog: always none → header:X-Beta; never none → ip:10.0.0.0/8",
        "~ upstream catalog: endpoints http://127.0.0.1:2 → http://127.0.0.1:2, http://127.0.0.1:3",
    ]


def test_other_settings_are_named_as_such(tmp_path: Path) -> None:
    route = {**BASE["routes"][0], "timeouts": {"response": "3s"}}
    upstreams = {**UPSTREAMS, "shop": {"endpoints": "http://127.0.0.1:1", "connections": 3}}
    found = planned(tmp_path, {}, {"routes": [route], "upstreams": upstreams})
    assert [(each.name, each.what) for each in found.differences] == [
        ("orders", ("other settings",)),
        ("shop", ("other settings",)),
    ]


def test_without_traffic_the_shares_are_shown_alone(tmp_path: Path) -> None:
    new = picture(tmp_path, catalog={"stage": "extracted"})
    found = plan(picture(tmp_path), new, None)
    assert "> catalog/all: 90.0 % of its callers from shop to catalog" in list(lines(found))
    assert summary(found).endswith("how many is not known, as no traffic is recorded")


def test_a_plan_for_programs(tmp_path: Path) -> None:
    document = as_json(planned(tmp_path, {}, {"catalog": {"canary": {"percent": 4, "sticky": "ip"}}}))
    (move,) = document["moves"]
    assert (move["route"], move["ways"][0]["from"], move["ways"][0]["to"]) == ("catalog/all", "catalog", "shop")
    assert document["back"] == ["catalog/all"]
    assert document["requests"] == 168_000
