#!/usr/bin/env python
"""Django's command line for the shop."""

import os
import sys


def main() -> None:
    """Run the management command that the arguments name."""
    if sys.argv[1:2] == ["test"]:
        # Tests need no secrets; everything else has to say that it is development.
        os.environ.setdefault("SHOP_DEVELOPMENT", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
