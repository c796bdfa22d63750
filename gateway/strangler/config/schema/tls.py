"""`tls:` in the YAML: how clients and endpoints are met where the connection is encrypted.

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
        description="The file with the certificate, followed by those of its issuers that clients may lack.",
        examples=["tls/shop.crt"],
    )
    key: Text = Field(description="The file with the certificate's private key, not encrypted.")
    client_ca: Text | None = Field(
        default=None,
        description="The file with the authorities whose client certificates are accepted; clients are not asked"
        " for a certificate unless given.",
    )
    client_certificate: Literal["required", "optional"] = Field(
        default="required",
        description="With `client_ca`: whether a client without a certificate may connect. One that is shown must"
        " be valid in any case.",
    )


class UpstreamTlsSection(Section):
    """How `https` endpoints are met."""

    ca: Text | None = Field(
        default=None,
        description="The file with the authorities that may have issued the endpoints' certificates; those that"
        " the machine trusts unless given.",
    )
    server_name: ServerName | None = Field(
        default=None,
        description="The name that is asked for (SNI) and must be in the certificate; the endpoint's host unless"
        " given.",
    )
    verify: Flag = Field(
        default=_UPSTREAM.verify,
        description="Whether certificates are verified. Without it anybody on the way can read and change everything.",
    )
    certificate: Text | None = Field(
        default=None, description="The file with the certificate that the gateway shows to endpoints."
    )
    key: Text | None = Field(default=None, description="The file with that certificate's private key, not encrypted.")

    close_notify: Literal["required", "optional"] = Field(
        default=_UPSTREAM.close_notify,
        description="Whether a response that the end of the connection ends is complete only with the alert"
        " close_notify. Without it, a network that cuts a connection off can shorten a response unnoticed; `optional`"
        " is for servers that never send it.",
    )

    @model_validator(mode="after")
    def _pair(self) -> UpstreamTlsSection:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("'certificate' and 'key' need each other: give both or neither")
        return self
