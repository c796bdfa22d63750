"""Reports a limit on file descriptors that is too low for the connections that the configuration allows."""

from __future__ import annotations

import structlog

from strangler.model.snapshot import Snapshot
from strangler.observe.descriptors import DescriptorLimits, needed

log = structlog.get_logger(part="control")


def report_shortage(limits: DescriptorLimits, snapshot: Snapshot) -> None:
    """Log where workers may have fewer file descriptors than their connections need."""
    need, clients = needed(snapshot), snapshot.limits.connections
    if limits.soft >= need:
        return
    report = log.error if limits.soft < clients else log.warning
    report(
        "too few file descriptors for the connections that a worker accepts",
        limit=limits.soft,
        hard_limit=limits.hard,
        needed=need,
        limits_connections=clients,
        do=f"raise the hard limit to {need} (ulimit -Hn, LimitNOFILE= of systemd) or lower limits.connections",
    )
