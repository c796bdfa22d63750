"""``python -m orders_service``."""

import sys

from orders_service.cli import main

sys.exit(main())
