"""When the certificates of the configuration end, for alerts before that day."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric

from strangler.model.snapshot import Snapshot


def certificate_families(snapshot: Snapshot) -> Iterator[Metric]:
    """The end of each file of certificates: of the one in it that ends first."""
    family = GaugeMetricFamily(
        "strangler_certificate_not_after_timestamp_seconds",
        "When the first certificate of a file ends: the listener's or one for an upstream, or their authorities'.",
        labels=("certificate", "upstream"),
    )
    for certificate, upstream, pem in _certificates(snapshot):
        family.add_metric((certificate, upstream), first_end(pem))
    yield family


def _certificates(snapshot: Snapshot) -> Iterator[tuple[str, str, bytes]]:
    if snapshot.tls is not None:
        yield "listener", "", snapshot.tls.certificate
        if snapshot.tls.client_ca is not None:
            yield "client_ca", "", snapshot.tls.client_ca
    for upstream in snapshot.upstreams.values():
        if upstream.tls.certificate is not None:
            yield "upstream", upstream.name, upstream.tls.certificate
        if upstream.tls.ca is not None:
            yield "upstream_ca", upstream.name, upstream.tls.ca


@lru_cache(256)
def first_end(pem: bytes) -> float:
    """When the first of the certificates in `pem` ends, in seconds since 1970; `pem` was checked when it was read."""
    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(pem))
