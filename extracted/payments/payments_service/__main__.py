"""``python -m payments_service``."""

import sys

from payments_service.cli import main

sys.exit(main())
