"""Whether the shop can serve: for load balancers, not for its customers."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from shop.api.responses import json_response


def healthz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return json_response({"status": "unavailable"}, status=503)
    return json_response({"status": "ok"})
