"""The WSGI application that gunicorn serves."""

import os
from collections.abc import Iterable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

_CHUNKED_LIMIT = 8 * 1024 * 1024
_IN_MEMORY = 256 * 1024
_PIECE = 64 * 1024


class MeasuredBody:
    """Gives chunked requests the Content-Length that Django needs to see their body at all.

    Django reads exactly CONTENT_LENGTH bytes, so a body of unannounced length looks empty to it. A body
    of more than 8 MiB is answered with 413.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
            return self._application(environ, start_response)
        body: IO[bytes]
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            length = 0
            while piece := environ["wsgi.input"].read(_PIECE):
                length += len(piece)
                if length > _CHUNKED_LIMIT:
                    start_response(
                        "413 Content Too Large",
                        [("Content-Type", "text/plain"), ("Content-Length", "0"), ("Connection", "close")],
                    )
                    return [b""]
                body.write(piece)
            body.seek(0)
            environ["wsgi.input"] = BytesIO(body.read())
        environ["CONTENT_LENGTH"] = str(length)
        return self._application(environ, start_response)


class BodilessHead:
    """Leaves out the body of an answer to HEAD, and keeps its Content-Length."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = self._application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        close = getattr(body, "close", None)
        if close is not None:
            close()
        return []


application = BodilessHead(MeasuredBody(get_wsgi_application()))
