"""Certificates and keys that the YAML names: read, checked, and handed on as bytes.

A pair that does not fit together, as while a certificate is being renewed, is
a problem like any other: the running configuration stays until both files are
in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from strangler.config.schema.configuration import Configuration
from strangler.config.schema.tls import ListenerTlsSection, UpstreamTlsSection
from strangler.config.text.document import Document
from strangler.config.text.files import FileReader
from strangler.config.text.problems import Problem
from strangler.model.listener import ListenerTls
from strangler.model.upstream import UpstreamTls


@dataclass(slots=True)
class TlsSettings:
    """The TLS settings of a configuration, and the files that they were read from with their content."""

    listener: ListenerTls | None = None
    upstreams: dict[str, UpstreamTls] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    content: dict[str, bytes] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)


def read_tls(model: Configuration, document: Document, problems: list[Problem]) -> TlsSettings:
    """The settings that `model` describes; what is wrong with them is added to `problems`."""
    settings = TlsSettings()
    if model.tls is not None:
        settings.listener = _TlsReader(("tls",), document, problems, settings.files, settings).listener(model.tls)
    for name, upstream in model.upstreams.items():
        reader = _TlsReader(("upstreams", name, "tls"), document, problems, settings.files, settings)
        settings.upstreams[str(name)] = reader.upstream(upstream.tls)
    return settings


@dataclass(slots=True)
class _TlsReader(FileReader):
    settings: TlsSettings = field(default_factory=TlsSettings)

    def listener(self, section: ListenerTlsSection) -> ListenerTls | None:
        certificate, key = self.pair(section.certificate, section.key)
        client_ca = self.authorities("client_ca", section.client_ca)
        if section.client_ca is None and "client_certificate" in section.model_fields_set:
            self.complain(
                "client_certificate", "has no effect without 'client_ca': clients are not asked for certificates"
            )
        if certificate is None or key is None:
            return None
        tls = ListenerTls(certificate, key, client_ca, section.client_certificate)
        if not self.problems:
            from strangler.model.tls_context import listener_context

            self.accept(listener_context, tls)
        return tls

    def upstream(self, section: UpstreamTlsSection) -> UpstreamTls:
        certificate, key = self.pair(section.certificate, section.key)
        tls = UpstreamTls(
            self.authorities("ca", section.ca),
            None if section.server_name is None else str(section.server_name),
            section.verify,
            certificate,
            key,
            section.close_notify,
        )
        if section.model_fields_set and not self.problems:
            from strangler.model.tls_context import upstream_context

            self.accept(upstream_context, tls)
        return tls

    def accept(self, build: Callable[..., object], tls: ListenerTls | UpstreamTls) -> None:
        """Build a context, since OpenSSL has its own limits on key sizes and the like."""
        import ssl

        try:
            build(tls)
        except ssl.SSLError as error:
            self.complain("certificate", f"OpenSSL rejects it: {error.reason or error}")

    def pair(self, certificate: str | None, key: str | None) -> tuple[bytes | None, bytes | None]:
        if certificate is None or key is None:
            return None, None
        files = {"certificate": self.file("certificate", certificate), "key": self.file("key", key)}
        pems = {name: self.pem(name, file) for name, file in files.items()}
        if pems["certificate"] is None or pems["key"] is None:
            return None, None
        # Only who uses TLS waits for the import of the library.
        from strangler.model.tls_context import TlsFileError, check_pair, expired

        try:
            check_pair(pems["certificate"], pems["key"])
            ended = expired(pems["certificate"])
        except TlsFileError as error:
            self.complain(error.field, f"{files[error.field]} {error}")
            return None, None
        if ended is not None:
            place = self.document.source(*self.path, "certificate")
            text = f"the certificate {files['certificate']} expired on {ended:%Y-%m-%d}"
            self.settings.warnings.append(Problem(place, text))
        return pems["certificate"], pems["key"]

    def authorities(self, field: str, name: str | None) -> bytes | None:
        if name is None:
            return None
        file = self.file(field, name)
        pem = self.pem(field, file)
        if pem is None:
            return None
        from strangler.model.tls_context import TlsFileError, check_authorities

        try:
            check_authorities(pem)
        except TlsFileError as error:
            self.complain(field, f"{file} {error}")
            return None
        return pem

    def pem(self, field: str, file: Path) -> bytes | None:
        content = self.read(field, file)
        if content is not None:
            self.settings.content[f"{'.'.join(map(str, self.path))}.{field}"] = content
        return content
