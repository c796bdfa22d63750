"""Which requests of an HTTP Archive are asked: those to the page's host, or to the origins that are named.

A page asks others, too: for images of a CDN, for analytics. These have nothing
to do with the two sides. The default port of a scheme is no part of a host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """The origin of an http(s) URL without the default port, None for anything else."""
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme, parts.port
    except ValueError:
        return None
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


def parse_origin(text: str) -> str:
    """An origin as a person names it: `https://shop.example`, or a host, with its port unless it is the default.

    Raises ValueError.
    """
    written = text if text.endswith("://") else text.removesuffix("/")
    url = written if "://" in written else f"http://{written}"
    origin = origin_of(url)
    if origin is None or urlsplit(url).path or urlsplit(url).query:
        raise ValueError(f"expected an origin such as https://shop.example, found {text!r}")
    return origin if "://" in written else origin.partition("://")[2]


def host_of(origin: str) -> str:
    """The host of an origin, with its port unless that is the default."""
    return origin.partition("://")[2]


def is_named(origin: str, named: Collection[str]) -> bool:
    """Whether `origin` or its host is among those that a person named."""
    return origin in named or host_of(origin) in named


def page_host(log: Mapping[str, Any], entries: Iterable[Any], asked: Counter[str]) -> str | None:
    """The host of the page that was recorded; of several pages that one to which most requests went.

    `asked` counts the requests to each host. None where the archive names no page.
    """
    documents: dict[str, str] = {}
    firsts: dict[str, str] = {}
    for entry in entries:
        page = entry.get("pageref") if isinstance(entry, dict) else None
        origin = origin_of(_url(entry)) if isinstance(page, str) else None
        if isinstance(page, str) and origin is not None:
            firsts.setdefault(page, host_of(origin))
            if _is_document(entry):
                documents.setdefault(page, host_of(origin))
    pages = log.get("pages")
    hosts: list[str] = []
    for page in pages if isinstance(pages, list) else []:
        if not isinstance(page, dict):
            continue
        # Some browsers put the address there, some the title.
        address = origin_of(str(page.get("title", "")))
        name = str(page.get("id"))
        host = host_of(address) if address is not None else documents.get(name) or firsts.get(name)
        if host is not None and asked[host]:
            hosts.append(host)
    return max(hosts, key=lambda host: asked[host], default=None)


def _url(entry: Mapping[str, Any]) -> str:
    request = entry.get("request")
    return str(request.get("url", "")) if isinstance(request, dict) else ""


def _is_document(entry: Mapping[str, Any]) -> bool:
    """Whether the entry is a page that came, rather than a redirect to one, or a part of it."""
    response = entry.get("response")
    if not isinstance(response, dict) or response.get("status") != 200:
        return False
    content = response.get("content")
    return isinstance(content, dict) and str(content.get("mimeType", "")).lower().startswith("text/html")
