"""``python -m inventory_service``."""

import sys

from inventory_service.cli import main

sys.exit(main())
