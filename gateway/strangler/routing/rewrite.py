"""Rewrites the client's path into the upstream's, and paths in the upstream's responses back.

Segments are taken as sent and never decoded, so what a client encoded stays
encoded. A path that a server could read in another way than it is cut up here
(dot segments, an encoded slash, a doubled one) could leave the prefix that it
is put under, so it is refused before (`is_cut_alike`).
"""

from __future__ import annotations

import re

from strangler.model.changes import Rewrite
from strangler.routing.readings import is_plain

_READ_OTHERWISE = re.compile(r"%2f|%5c|\\|//|/(?:\.|%2e){1,2}(?:[/;]|$)", re.IGNORECASE)


def is_cut_alike(path: str) -> bool:
    """Whether every server finds the same segments in `path`."""
    return is_plain(path) or _READ_OTHERWISE.search(path) is None


def inner_path(rewrite: Rewrite, path: str) -> str:
    """The path for the upstream of the client's `path`, which the route matches."""
    segments = path.split("/")[1:]
    parts = [part if isinstance(part, str) else segments[part] for part in rewrite.inner]
    if rewrite.rest is not None:
        parts += segments[rewrite.rest :]
    return "/" + "/".join(parts)


def outer_path(rewrite: Rewrite, path: str) -> str | None:
    """The client's path for the upstream's `path`; None where clients have none for it, or it is theirs already.

    An upstream that reads X-Forwarded-Prefix responds with the client's paths.
    """
    segments = path.split("/")[1:]
    outer = rewrite.outer
    if rewrite.prefix and tuple(segments[: len(outer)]) == outer:
        return None
    captured: dict[int, str] = {}
    if len(segments) < len(rewrite.inner):
        return None
    for part, segment in zip(rewrite.inner, segments, strict=False):
        if isinstance(part, int):
            captured[part] = segment
        elif part != segment:
            return None
    rest = segments[len(rewrite.inner) :]
    if rest and rewrite.rest is None:
        return None
    parts: list[str] = []
    for place, text in enumerate(outer):
        if text is None:
            if place not in captured:
                return None
            text = captured[place]
        parts.append(text)
    return "/" + "/".join(parts + rest)
