"""The admin API, requested in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.control.admin.gateways import AdminApi, ShownGateway
from tests.shadow.pairs import snapshot


@pytest.fixture
def api(tmp_path: Path) -> AdminApi:
    return AdminApi(ShownGateway(snapshot(tmp_path)))
