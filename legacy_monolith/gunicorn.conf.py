"""How gunicorn serves the shop: `gunicorn shop.wsgi`."""

import os

bind = os.environ.get("BIND", "127.0.0.1:8100")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = int(os.environ.get("THREADS", "8"))
# Longer than a proxy in front keeps an idle connection, so that the proxy closes first and never sends
# a request into a connection that is just being closed.
keepalive = int(os.environ.get("KEEPALIVE", "75"))  # seconds
# RFC 9110, section 4.1, wants 8000 bytes of URI to be taken; by default it is half of that.
limit_request_line = 8190
# A proxy in front adds fields of its own to the hundred that it may have let through.
limit_request_fields = 200
limit_request_field_size = 32768
graceful_timeout = 20  # seconds
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
accesslog = os.environ.get("ACCESS_LOG") or None
# Its path is one per user, so two servers of one machine would fight for it; signals are enough.
control_socket_disable = True
# Django's settings alone decide which forwarded headers count; gunicorn would trust any local peer.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
