"""The origin behind every contender: one nginx worker that responds with a fixed 211-byte JSON.

Two ports stand for the two sides. Below a route, `fresh/` has fields in its
response head that are always new, `large/` a body of 64 KiB. A target that ends
in `/echo` gets what the origin saw instead, for the checks before the load; the
measured targets never do.
"""

from __future__ import annotations

import getpass
import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import NotRunnable, Process
from tests.free_ports import free_ports

_ITEM = {"id": 42, "name": "A thing of the catalog", "price": "12.50", "currency": "EUR", "stock": 17}


def _body() -> str:
    text = json.dumps(_ITEM | {"description": ""}, separators=(",", ":"))
    return json.dumps(_ITEM | {"description": "x" * (211 - len(text))}, separators=(",", ":"))


BODY = _body()
FRESH = "fresh"
LARGE = "large"
LARGE_BYTES = 65_536

_SERVER = """
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ return 200 '{body}'; }}
    location ~ /{fresh}/ {{
      add_header Set-Cookie "session=$request_id; Path=/; HttpOnly; SameSite=Lax";
      add_header ETag '"$request_id"';
      add_header X-Request-Id $request_id;
      return 200 '{body}';
    }}
    location ~ /{large}/ {{
      root {directory};
      try_files /large.json =404;
    }}
    location ~ /echo$ {{
      return 200 '{{"side":"{side}",{seen}}}';
    }}
  }}
"""

_SEEN = ",".join(
    f'"{name}":"$http_x_{header}"'
    for name, header in (
        ("subject", "auth_subject"),
        ("forwarded_for", "forwarded_for"),
        ("forwarded_proto", "forwarded_proto"),
        ("forwarded_host", "forwarded_host"),
        ("request_id", "request_id"),
    )
)

_CONFIG = """
user {user};
worker_processes 1;
daemon off;
pid origin.pid;
error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path client_temp;
  proxy_temp_path proxy_temp;
  fastcgi_temp_path fastcgi_temp;
  uwsgi_temp_path uwsgi_temp;
  scgi_temp_path scgi_temp;
{servers}
}}
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """A running origin and the ports of its two sides."""

    process: Process
    legacy_port: int
    extracted_port: int


def start_origin(stack: ExitStack, directory: Path) -> Origin:
    """Start the origin; `stack` ends it. Raises NotRunnable without nginx."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        raise NotRunnable("nginx is not installed: there is no origin to proxy to")
    directory.mkdir()
    legacy, extracted = free_ports(2)
    servers = "".join(
        _SERVER.format(port=port, side=side, body=BODY, seen=_SEEN, fresh=FRESH, large=LARGE, directory=directory)
        for side, port in (("legacy", legacy), ("extracted", extracted))
    )
    (directory / "large.json").write_text(json.dumps({"text": "x" * (LARGE_BYTES - len('{"text": ""}'))}))
    config = directory / "nginx.conf"
    config.write_text(_CONFIG.format(user=getpass.getuser(), servers=servers))
    process = stack.enter_context(
        Process("origin", [binary, "-p", directory, "-e", directory / "error.log", "-c", config], directory)
    )
    process.wait_ready(f"http://127.0.0.1:{legacy}/")
    return Origin(process, legacy, extracted)
