"""Checks of the addresses that the gateway listens on, and of the peers that it trusts."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.text.problems import Problem


def problems(checked: Checked) -> Iterator[Problem]:
    """Listeners that can't be used together, or by no one."""
    model = checked.model
    if model.listen.port and model.listen == model.admin.listen:
        yield checked.problem(f"the admin address must differ from the address for clients, {model.listen}", "admin")
    if model.proxy_protocol and not model.trusted_proxies:
        yield checked.problem(
            "every connection would be closed: the PROXY protocol is accepted from trusted proxies only",
            "proxy_protocol",
            hint="list the load balancer's addresses in 'trusted_proxies'",
        )


def warnings(checked: Checked) -> Iterator[Problem]:
    """Addresses open to more machines than is probably meant."""
    for number, network in enumerate(checked.model.trusted_proxies):
        if network.endswith("/0"):
            yield checked.problem(
                "every peer is trusted, so any client can claim any address", "trusted_proxies", number
            )
