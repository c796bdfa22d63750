"""Views with every effect that an order may have."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import requests
import urllib3
from asgiref.sync import sync_to_async
from celery import chain
from django.contrib.auth.decorators import login_required, permission_required
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.mail import get_connection, send_mail, send_mass_mail
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from tests.shop.models import Order
from tests.shop.tasks import celery, invoice, reserve

FOLDER = Path(tempfile.gettempdir()) / f"django-strangler-tests-{os.getpid()}"
COMMITTED: list[int] = []
"""Orders whose `on_commit` function ran."""


@csrf_exempt
@require_POST
def place_order(request: HttpRequest) -> HttpResponse:
    """Place an order in every database, and do all that follows from one."""
    body = json.loads(request.body)
    for alias in connections:
        with transaction.atomic(using=alias, durable=True):
            order = Order.objects.using(alias).create(customer=body["customer"], sku=body["sku"])
            transaction.on_commit(lambda pk=order.pk: COMMITTED.append(pk), using=alias)
        Order.objects.using(alias).create(customer=body["customer"], sku=body["sku"] + "-gift")
    request.session["last_order"] = order.pk
    send_mail("Your order", "Thank you.", "shop@shop.example", ["customer@shop.example"])
    send_mass_mail([("News", "More.", "shop@shop.example", [name]) for name in ("a@shop.example", "b@shop.example")])
    get_connection().send_messages([])
    reserve.delay(order.pk)
    celery.send_task("shop.invoice", (order.pk,))
    chain(reserve.si(order.pk), invoice.si(order.pk)).apply_async()
    cache.set("last-order", order.pk)
    FileSystemStorage(FOLDER).save(f"invoice-{order.pk}.txt", ContentFile(b"Pay."))
    return JsonResponse({"customer": body["customer"], "sku": body["sku"]}, status=201)


async def place_order_async(request: HttpRequest) -> HttpResponse:
    """Place an order from an asynchronous view."""
    await Order.objects.acreate(customer="async", sku="A-1")
    count = await sync_to_async(Order.objects.count)()
    return JsonResponse({"orders": count}, status=201)


def ask_others(request: HttpRequest, library: str) -> HttpResponse:
    """Ask another service through `library`; the name of the error where it can't be reached."""
    url = request.GET["url"]
    try:
        if library == "requests":
            text = requests.get(url, timeout=2).text
        elif library == "httpx":
            text = httpx.get(url, timeout=2, trust_env=False).text
        else:
            text = urllib3.PoolManager().request("GET", url, timeout=2).data.decode()
    except (requests.ConnectionError, httpx.ConnectError, urllib3.exceptions.HTTPError) as error:
        return JsonResponse({"error": f"{type(error).__module__.split('.')[0]}.{type(error).__name__}"}, status=502)
    return HttpResponse(text)


@csrf_exempt
def misbehave(request: HttpRequest, way: str) -> HttpResponse:
    """Try to get around a rollback."""
    Order.objects.create(customer="escaped", sku=way)
    if way == "commit":
        transaction.commit()
    elif way == "sql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1; COMMIT")
    elif way == "driver":
        connection.connection.commit()
    elif way == "thread":
        threading.Thread(target=Order.objects.create, kwargs={"customer": "escaped", "sku": way}).start()
    elif way == "close":
        connection.close()
    elif way == "error":
        raise RuntimeError("a fault of the view")
    return HttpResponse("done")


def stream(request: HttpRequest, size: int) -> StreamingHttpResponse:
    """A response that writes while it is read."""

    def parts() -> Any:
        Order.objects.create(customer="stream", sku="S-1")
        for _ in range(size):
            yield b"x" * 1000

    return StreamingHttpResponse(parts())


def whoami(request: HttpRequest, **_: str) -> HttpResponse:
    """The user and the identity of the request."""
    identity = getattr(request, "strangler", None)
    scopes = sorted(identity.scopes) if identity is not None else None
    return JsonResponse({"user": request.user.get_username(), "scopes": scopes})


async def whoami_async(request: HttpRequest) -> HttpResponse:
    """The same, from an asynchronous view."""
    user = await request.auser() if hasattr(request, "auser") else request.user
    return JsonResponse({"user": user.get_username()})


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The customer's own page."""
    return HttpResponse("account")


@cache_page(60)
@permission_required("shop.view_order")
def report(request: HttpRequest) -> HttpResponse:
    """For staff."""
    return HttpResponse("report")


@method_decorator(login_required, name="dispatch")
class OrderPage(View):
    """One order."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The page."""
        return HttpResponse(f"order {pk}")

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change it."""
        return HttpResponse(f"changed {pk}")
