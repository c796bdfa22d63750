"""`manage.py strangler_inventory`: the project's routes as JSON, for `strangler init`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_strangler.inventory.document import document


class Command(BaseCommand):
    """Writes the inventory."""

    help = "Write every route of this project as JSON, for `strangler init FILE`."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--out FILE`."""
        parser.add_argument("--out", type=Path, help="the file to write; standard output without it")

    def handle(self, *args: Any, out: Path | None, **options: Any) -> None:
        """Write the document."""
        found = document()
        text = json.dumps(found, indent=1, default=str)
        if out is None:
            self.stdout.write(text)
        else:
            out.write_text(text + "\n")
            self.stderr.write(f"{len(found['routes'])} routes written to {out}")
