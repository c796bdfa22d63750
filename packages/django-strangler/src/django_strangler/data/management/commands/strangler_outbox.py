"""`manage.py strangler_outbox`: sends what is in the outbox, until it is stopped."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_strangler.conf import function, options
from django_strangler.data.relay import forget_sent, relay_batch


class Command(BaseCommand):
    """Relays the outbox through the function that STRANGLER["OUTBOX"] names."""

    help = "Send the messages of the outbox through the function in STRANGLER['OUTBOX'], until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--once`, `--interval`, `--keep-days`."""
        parser.add_argument("--once", action="store_true", help="send what is due, and end")
        parser.add_argument("--interval", type=float, default=1.0, help="seconds between two looks at an empty outbox")
        parser.add_argument("--keep-days", type=float, default=7.0, help="days that sent messages are kept")

    def handle(self, *args: Any, once: bool, interval: float, keep_days: float, **_: Any) -> None:
        """Relay."""
        path = options().outbox
        if not path:
            raise CommandError("STRANGLER['OUTBOX'] must name the function that sends a message.")
        send, stopped = function(path, "OUTBOX"), threading.Event()
        if not once:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopped.set())
        while not stopped.is_set():
            relayed = relay_batch(send)
            if relayed.sent == relayed.failed == 0:
                forget_sent(timedelta(days=keep_days))
                if once:
                    return
                stopped.wait(interval)
