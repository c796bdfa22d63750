"""Tasks of the shop."""

from celery import Celery

celery = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)


@celery.task(name="shop.reserve")
def reserve(order_id: int) -> None:
    """Reserve the goods of an order."""


@celery.task(name="shop.invoice")
def invoice(order_id: int) -> None:
    """Write the invoice of an order."""
