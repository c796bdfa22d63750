"""Candidates that are wrong on purpose, each in another way, and candidates that are right in another way.

A candidate gets the request and what legacy would respond to it just then. What
is said of it in `wrong` is what a client would notice; `shows` are outcomes one
of which a report has to count, by the words of the report.
"""

from __future__ import annotations

import gzip
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import brotli

from tests.evidence import worlds
from tests.evidence.worlds import Action, HangUp, Raw, Request, Response, Silence, World

TIMEOUT = 5.0
"""Seconds after which a copy is given up, as the tests configure it."""

Respond = Callable[[Request, Response], Action]


@dataclass(frozen=True)
class Candidate:
    """One candidate: its name, what is truly wrong with it (nothing where it is right), and what must be counted."""

    name: str
    wrong: str
    shows: tuple[str, ...]
    world: World
    respond: Respond

    @property
    def right(self) -> bool:
        """Whether a client notices nothing."""
        return not self.wrong


CANDIDATES: dict[str, Candidate] = {}


def wrong(share: str, *shows: str, world: World = worlds.PLAIN) -> Callable[[Respond], Respond]:
    """A candidate that is wrong: which share of responses is, and what shows that."""

    def register(respond: Respond) -> Respond:
        name = respond.__name__.replace("_", " ")
        CANDIDATES[name] = Candidate(name, share, shows, world, respond)
        return respond

    return register


def right(world: World = worlds.PLAIN) -> Callable[[Respond], Respond]:
    """A candidate that is right."""
    return wrong("", world=world)


def _chance(percent: float) -> bool:
    return random.uniform(0, 100) < percent


@wrong("50 %", "failed to answer")
def hangs_up_on_half(request: Request, legacy: Response) -> Action:
    return HangUp() if _chance(50) else legacy


@wrong("2 %", "failed to answer")
def hangs_up_now_and_then(request: Request, legacy: Response) -> Action:
    return HangUp() if _chance(2) else legacy


@wrong("50 %", "failed to answer")
def far_too_big_in_half(request: Request, legacy: Response) -> Action:
    return replace(legacy, body=b'"' + b"x" * 300_000 + b'"') if _chance(50) else legacy


@wrong("2 %", "failed to answer")
def times_out_in_2_percent(request: Request, legacy: Response) -> Action:
    return Silence(TIMEOUT * 2) if _chance(2) else legacy


@wrong("1 %", "unsteady", "mismatched")
def random_value_in_1_percent(request: Request, legacy: Response) -> Action:
    return legacy.with_json(price=str(random.random())) if _chance(1) else legacy


@wrong("5 %", "unsteady", "mismatched")
def random_value_in_5_percent(request: Request, legacy: Response) -> Action:
    return legacy.with_json(price=str(random.random())) if _chance(5) else legacy


@wrong("5 %", "unsteady", "mismatched")
def random_500_in_5_percent(request: Request, legacy: Response) -> Action:
    return Response(500, body=b'{"error":"oops"}') if _chance(5) else legacy


@wrong("20 %", "lagging", "unsteady", "mismatched", "racy", world=worlds.CLOCK)
def stale_by_0_4_s_of_2_s(request: Request, legacy: Response) -> Action:
    return Response(body=json.dumps({"value": int((time.time() - 0.4) / 2)}).encode())


@wrong("100 %", "mismatched", world=worlds.CACHED)
def same_etag_other_content(request: Request, legacy: Response) -> Action:
    return legacy if legacy.status == 304 else legacy.with_json(price="0.00")


@wrong("nothing is known of other requests", "matched", world=worlds.ONE_REQUEST)
def asked_one_thing_by_one_caller(request: Request, legacy: Response) -> Action:
    return legacy


@wrong("2 %: one caller in 50", "mismatched")
def wrong_for_one_caller(request: Request, legacy: Response) -> Action:
    return legacy.with_json(owner=0) if request.caller == 7 else legacy


@wrong("nearly all", "mismatched", "unsteady")
def mixes_up_callers(request: Request, legacy: Response) -> Action:
    before, _last["caller"] = _last.get("caller", -1), request.caller
    return legacy.with_json(owner=before)


_last: dict[str, int] = {}


@wrong("10 %: one second in ten", "unsteady", "mismatched", "lagging", world=worlds.LASTING)
def wrong_for_one_second_in_ten(request: Request, legacy: Response) -> Action:
    return legacy.with_json(tags=[]) if time.time() % 10 < 1 else legacy


@wrong("half: since the middle of the test", "mismatched", world=worlds.LASTING)
def loses_its_data_at_a_restart(request: Request, legacy: Response) -> Action:
    began = _began.setdefault("restart", time.time())
    return Response(404, body=b'{"error":"no such item"}') if time.time() > began + 2 else legacy


_began: dict[str, float] = {}


@wrong("10 %: one language", "mismatched", world=worlds.LANGUAGES)
def wrong_for_one_header(request: Request, legacy: Response) -> Action:
    return legacy.with_json(name="Ding") if request.fields.get("accept-language") == "de" else legacy


@wrong("5 %: one query", "mismatched", world=worlds.SEARCHES)
def ignores_a_query_parameter(request: Request, legacy: Response) -> Action:
    return legacy.with_json(tags=["c", "b", "a"]) if request.query == "sort=price" else legacy


@wrong("4 %: large items", "mismatched")
def wrong_for_some_items(request: Request, legacy: Response) -> Action:
    return legacy.with_json(price=None) if json.loads(legacy.body)["id"] % 25 == 0 else legacy


@wrong("100 %", "mismatched")
def leaves_out_the_last_element(request: Request, legacy: Response) -> Action:
    return legacy.with_json(tags=["a", "b"])


@wrong("100 %", "mismatched")
def rounds_large_numbers(request: Request, legacy: Response) -> Action:
    return legacy.with_json(big=int(float(json.loads(legacy.body)["big"])) + 2)


@wrong("100 %", "mismatched")
def leaves_out_what_is_null(request: Request, legacy: Response) -> Action:
    document = json.loads(legacy.body)
    del document["note"]
    return replace(legacy, body=json.dumps(document).encode())


@wrong("3 %", "failed to answer")
def cuts_bodies_short(request: Request, legacy: Response) -> Action:
    return replace(legacy, body=legacy.body[:10], declared=len(legacy.body)) if _chance(3) else legacy


@wrong("2 %", "failed to answer")
def sends_malformed_heads(request: Request, legacy: Response) -> Action:
    return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab") if _chance(2) else legacy


@wrong("2 %", "mismatched", "unsteady")
def breaks_its_compression(request: Request, legacy: Response) -> Action:
    return legacy.with_field("Content-Encoding", "gzip") if _chance(2) else legacy


@wrong("3 %", "mismatched", "unsteady", world=worlds.SESSION)
def forgets_a_cookie(request: Request, legacy: Response) -> Action:
    kept = tuple(item for item in legacy.fields if item[0] != "Set-Cookie")
    return replace(legacy, fields=kept) if _chance(3) else legacy


@wrong("100 %", "mismatched", world=worlds.SESSION)
def makes_a_cookie_readable_by_scripts(request: Request, legacy: Response) -> Action:
    return legacy.with_field("Set-Cookie", "basket=1; Path=/; SameSite=Lax")


@wrong("100 %", "mismatched", world=worlds.MOVED)
def redirects_elsewhere(request: Request, legacy: Response) -> Action:
    return legacy.with_field("Location", "/items/previous")


@wrong("2 %", "mismatched", "unsteady")
def sends_another_content_type(request: Request, legacy: Response) -> Action:
    return legacy.with_field("Content-Type", "text/html") if _chance(2) else legacy


@wrong("20 %", "mismatched", world=worlds.GUARDED)
def lets_everybody_in(request: Request, legacy: Response) -> Action:
    return worlds.PLAIN.legacy(request)


@wrong("2 %", "mismatched", "unsteady")
def refuses_some_callers(request: Request, legacy: Response) -> Action:
    return Response(403, body=b'{"error":"no"}') if _chance(2) else legacy


@wrong("half: all HEAD", "mismatched", world=worlds.HEADS)
def knows_no_head(request: Request, legacy: Response) -> Action:
    return Response(405, (worlds.JSON, ("Allow", "GET")), b"") if request.method == "HEAD" else legacy


@wrong("100 %", "mismatched", world=worlds.ROWS)
def has_other_cells(request: Request, legacy: Response) -> Action:
    return replace(legacy, body=legacy.body.replace(b"<td>item", b"<td>thing"))


@wrong("100 %", "mismatched", world=worlds.TEXT)
def has_another_letter(request: Request, legacy: Response) -> Action:
    return replace(legacy, body=legacy.body.replace(b"\xe9", b"\xe8"))


@wrong("100 %", "mismatched", "racy", world=worlds.VOLATILE)
def says_it_is_1970(request: Request, legacy: Response) -> Action:
    return legacy.with_json(at="1970-01-01T00:00:00Z")


@wrong("100 %", "mismatched", "racy", world=worlds.VOLATILE)
def leaves_ids_empty(request: Request, legacy: Response) -> Action:
    return legacy.with_json(request="")


@wrong("100 %", "mismatched", "lagging", "racy", world=worlds.CLOCK)
def never_forgets_its_cache(request: Request, legacy: Response) -> Action:
    return Response(body=_cache.setdefault("body", legacy.body))


_cache: dict[str, bytes] = {}


@wrong("10 %: slow for some items", "failed to answer")
def slow_for_some_items(request: Request, legacy: Response) -> Action:
    return Silence(TIMEOUT * 2) if json.loads(legacy.body)["id"] % 10 == 0 else legacy


@right(world=worlds.CACHED)
def has_etags_of_its_own(request: Request, legacy: Response) -> Action:
    asked = request.fields.get("if-none-match")
    whole = worlds.PLAIN.legacy(request).with_field("ETag", '"own"')
    return replace(whole, status=304, body=b"") if asked == '"own"' else whole


@right()
def declares_a_charset(request: Request, legacy: Response) -> Action:
    return legacy.with_field("Content-Type", "application/json; charset=utf-8")


@right(world=worlds.COMPRESSED)
def compresses_in_another_way(request: Request, legacy: Response) -> Action:
    if request.number % 2:
        return replace(legacy.with_field("Content-Encoding", "gzip"), body=gzip.compress(legacy.body))
    return replace(legacy.with_field("Content-Encoding", "br"), body=brotli.compress(legacy.body))


@right()
def is_slower(request: Request, legacy: Response) -> Action:
    return replace(legacy, after=0.03)


@right()
def has_its_headers_in_another_order(request: Request, legacy: Response) -> Action:
    return replace(legacy, fields=(("Server", "new"), ("X-Own", "1"), *reversed(legacy.fields)))


@right(world=worlds.SESSION)
def has_cookie_attributes_in_another_order(request: Request, legacy: Response) -> Action:
    return legacy.with_field("Set-Cookie", "basket=1; SameSite=Lax; httponly; path=/")


@right()
def writes_its_json_in_another_way(request: Request, legacy: Response) -> Action:
    document = dict(sorted(json.loads(legacy.body).items()))
    return replace(legacy, body=json.dumps(document, indent=2, sort_keys=True).encode())


@right(world=worlds.VOLATILE)
def has_times_and_ids_of_its_own(request: Request, legacy: Response) -> Action:
    return legacy.with_json(request=str(uuid.uuid4()))
