"""The WSGI application that gunicorn serves."""

import os
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

_CHUNKED_LIMIT = 8 * 1024 * 1024
_PIECE = 64 * 1024


class MeasuredBody:
    """Gives chunked requests the Content-Length that Django needs to see their body at all.

    Django reads exactly CONTENT_LENGTH bytes, so a body of unannounced length looks empty to it. Of a body
    of more than 8 MiB it gets only the length, which is above all its limits: it refuses such a body in the
    order and form of its other refusals, and nothing is done by half of one.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
            return self._application(environ, start_response)
        body = bytearray()
        while len(body) <= _CHUNKED_LIMIT and (piece := environ["wsgi.input"].read(_PIECE)):
            body += piece
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = BytesIO(body if len(body) <= _CHUNKED_LIMIT else b"")
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
