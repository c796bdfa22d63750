"""``python -m users_service``."""

import sys

from users_service.cli import main

sys.exit(main())
