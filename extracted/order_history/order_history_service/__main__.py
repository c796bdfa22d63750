"""``python -m order_history_service``."""

import sys

from order_history_service.cli import main

sys.exit(main())
