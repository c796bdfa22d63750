"""``python -m fake_provider``: serve on PORT (8290); webhooks go to WEBHOOK_URL, signed with WEBHOOK_SECRET."""

import os
import signal

import uvicorn

from fake_provider.app import build_app

app = build_app(
    os.environ.get("PROVIDER_API_KEY", "development-key"),
    os.environ.get("WEBHOOK_URL", ""),
    os.environ.get("WEBHOOK_SECRET", "development-secret"),
)
# Once it has stopped, uvicorn raises the signal again; a clean stop should not look like a killed process.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)
# Slow responses are not worth waiting for.
uvicorn.run(
    app,
    host="127.0.0.1",
    port=int(os.environ.get("PORT", "8290")),
    access_log=False,
    timeout_graceful_shutdown=1,
)
