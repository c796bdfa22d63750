"""Checks of upstreams and their endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.checks.shadow import sandboxes, serving
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_loopback
from strangler.model.listener import ListenAddress
from strangler.model.upstream import Endpoint


def problems(checked: Checked) -> Iterator[Problem]:
    """Upstreams that are missing, and endpoints that can't serve."""
    model = checked.model
    if not model.upstreams and not checked.names.upstreams:
        yield checked.problem("there are no upstreams, so no request could be served", "upstreams")
    if model.default is not None:
        yield from checked.upstream(model.default, "default")
    for name, upstream in model.upstreams.items():
        seen: dict[tuple[str, int], int] = {}
        for number, endpoint in enumerate(upstream.endpoints):
            path = ("upstreams", name, "endpoints", number)
            first = seen.setdefault((endpoint.host, endpoint.port), number)
            if first != number:
                yield checked.problem(f"the endpoint {endpoint.url} is listed twice", *path)
            if _is_listener(endpoint, model.listen):
                yield checked.problem(f"the endpoint {endpoint.url} is this gateway itself", *path)
        if upstream.tls.model_fields_set and not any(endpoint.tls for endpoint in upstream.endpoints):
            yield checked.problem(
                f"upstreams.{name}.tls has no effect: no endpoint is https", "upstreams", name, "tls", key=True
            )


def warnings(checked: Checked) -> Iterator[Problem]:
    """Upstreams that are not verified or not used."""
    used = serving(checked) | sandboxes(checked)
    for name, upstream in checked.model.upstreams.items():
        if not upstream.tls.verify:
            yield checked.problem(
                f"the certificates of '{name}' are not verified, so anyone on the network path can impersonate it",
                "upstreams",
                name,
                "tls",
                "verify",
            )
        if name not in used:
            yield checked.problem(f"the upstream '{name}' is not used", "upstreams", name, key=True)


def _is_listener(endpoint: Endpoint, listen: ListenAddress) -> bool:
    if endpoint.port != listen.port:
        return False
    every = listen.host in ("0.0.0.0", "::")
    return endpoint.host == listen.host or (every and is_loopback(endpoint.host))
