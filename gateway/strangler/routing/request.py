"""What routing knows of a request: no body, no socket."""

from __future__ import annotations

from urllib.parse import unquote_plus

from strangler.auth.certificate import ClientCertificate


class Request:
    """The parts of a request that a decision may depend on.

    `path` and `query` are as sent (percent-encoded; `query` without the
    question mark), `host` is as sent in Host, `headers` hold names and values
    as received, `peer` is the trusted client address, `certificate` what the
    client has shown, None where it has shown none.
    """

    # Positional parameters instead of an object for them: one is made for each request.

    __slots__ = ("_headers", "certificate", "host", "method", "path", "peer", "query")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        host: str,
        headers: list[tuple[bytes, bytes]],
        peer: str,
        certificate: ClientCertificate | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.host = host
        self._headers = headers
        self.peer = peer
        self.certificate = certificate

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names and values as received."""
        return self._headers

    def header(self, name: str) -> str | None:
        """The value of the first header of that name (any case), or None."""
        wanted = name.lower().encode("latin-1")
        length = len(wanted)
        for key, value in self.headers:
            if len(key) == length and key.lower() == wanted:
                return value.decode("latin-1")
        return None

    def header_values(self, name: str) -> list[str]:
        """The values of all headers of that name (any case), in order."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]

    def cookie(self, name: str) -> str | None:
        """The value of the first cookie of that name, or None (RFC 6265 section 4.2.1)."""
        for line in self.header_values("cookie"):
            for pair in line.split(";"):
                key, equals, value = pair.strip().partition("=")
                if equals and key == name:
                    return value.strip('"')
        return None

    def query_values(self, name: str) -> list[str]:
        """The decoded values of the query parameter `name`, in order."""
        values = []
        for pair in self.query.split("&"):
            key, _, value = pair.partition("=")
            if unquote_plus(key) == name:
                values.append(unquote_plus(value))
        return values
