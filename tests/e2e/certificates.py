"""An authority of the tests, and contexts and files made of its certificates."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import trustme


class Authority:
    """Issues certificates; `pem` is its own."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.pem = self._authority.cert_pem.bytes()

    def issue(self, *names: str, **details: Any) -> trustme.LeafCert:
        """A certificate for `names` with its key."""
        return self._authority.issue_cert(*names, **details)

    def write(self, folder: Path, name: str, *names: str, **details: Any) -> trustme.LeafCert:
        """A new certificate as `name.crt` and `name.key` in `folder`, and the authority as `ca.crt`."""
        leaf = self.issue(*names, **details)
        place(folder, name, leaf)
        (folder / "ca.crt").write_bytes(self.pem)
        return leaf

    def server(self, *names: str, **details: Any) -> ssl.SSLContext:
        """A server with a certificate for `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issue(*names, **details).configure_cert(context)
        return context

    def client(self, shown: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """A client that trusts this authority, and shows a certificate if it is given one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        if shown is not None:
            shown.configure_cert(context)
        return context

    def ask_clients(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Have a server demand certificates of this authority."""
        self._authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def place(folder: Path, name: str, leaf: trustme.LeafCert) -> None:
    """Put a certificate and its key in place, by renaming, the certificate first."""
    files = {
        f"{name}.crt": b"".join(blob.bytes() for blob in leaf.cert_chain_pems),
        f"{name}.key": leaf.private_key_pem.bytes(),
    }
    for file, content in files.items():
        new = folder / f".{file}.new"
        new.write_bytes(content)
        new.rename(folder / file)
