"""`tls:` in the YAML: TLS for clients, and for connections to endpoints.

Keys and certificates are PEM files. Their content, not their path, decides
whether something changed, so a certificate that is renewed in place is taken
up by itself.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from strangler.config.schema.field_types.addresses import ServerName
from strangler.config.schema.field_types.scalars import Flag
from strangler.config.schema.section import Section, Text
from strangler.model.upstream import UpstreamTls

_UPSTREAM = UpstreamTls()


class ListenerTlsSection(Section):
    """TLS 1.2 or newer for clients, at the address of `listen`."""

    certificate: Text = Field(
        description="The file with the certificate, followed by any intermediate certificates.",
        examples=["tls/shop.crt"],
    )
    key: Text = Field(description="The file with the certificate's private key, not encrypted.")
    client_ca: Text | None = Field(
        default=None,
        description="The file with the authorities whose client certificates are accepted. Default: clients are not"
        " asked for a certificate.",
    )
    client_certificate: Literal["required", "optional"] = Field(
        default="required",
        description="With `client_ca`: whether a certificate is required. A certificate that is"
        " presented must always be valid.",
    )


class UpstreamTlsSection(Section):
    """TLS settings for connections to `https` endpoints."""

    ca: Text | None = Field(
        default=None,
        description="The file with the authorities that issue the endpoints' certificates. Default: those that the"
        " machine trusts.",
    )
    server_name: ServerName | None = Field(
        default=None,
        description="The server name (SNI) that is sent and must be in the certificate. Default: the endpoint's host.",
    )
    verify: Flag = Field(
        default=_UPSTREAM.verify,
        description="Whether certificates are verified. If false, anyone on the network path can read and change"
        " everything.",
    )
    certificate: Text | None = Field(
        default=None, description="The file with the certificate that the gateway presents to endpoints."
    )
    key: Text | None = Field(default=None, description="The file with that certificate's private key, not encrypted.")

    close_notify: Literal["required", "optional"] = Field(
        default=_UPSTREAM.close_notify,
        description="Whether a response that ends with the connection is complete only with the alert close_notify."
        " Otherwise a broken connection can truncate a response unnoticed; `optional` is for servers that"
        " never send it.",
    )

    @model_validator(mode="after")
    def _pair(self) -> UpstreamTlsSection:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("'certificate' and 'key' go together: set both or neither")
        return self
