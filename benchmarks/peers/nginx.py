"""nginx: the measure for bare proxying. Open-source nginx can't verify a JWT: beside the full job it only passes on."""

from __future__ import annotations

import getpass
from pathlib import Path

from benchmarks.peers.contender import Contender, Launch, installed, printed
from benchmarks.workload import Setting

# For the stream job bodies are passed on as they come, as all others do,
# instead of nginx's default of putting them in files first.
_CONFIG = """
user {user};
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path client_temp;
  proxy_temp_path proxy_temp;
  fastcgi_temp_path fastcgi_temp;
  uwsgi_temp_path uwsgi_temp;
  scgi_temp_path scgi_temp;
  {streaming}
  upstream origin {{
    server 127.0.0.1:{legacy_port};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024{tls};
    {certificate}
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


def _version() -> str:
    return printed([installed("nginx"), "-v"]).strip().rpartition("/")[2]


def _launch(setting: Setting) -> Launch:
    shown = setting.certificate
    config = setting.write(
        "nginx.conf",
        _CONFIG.format(
            user=getpass.getuser(),
            port=setting.port,
            legacy_port=setting.legacy_port,
            tls="" if shown is None else " ssl",
            certificate=""
            if shown is None
            else f"ssl_certificate {shown.certificate}; ssl_certificate_key {shown.key};",
            streaming="proxy_buffering off; proxy_request_buffering off;" if setting.job == "stream" else "",
        ),
    )
    errors = setting.directory / "error.log"
    command: list[str | Path] = [installed("nginx"), "-p", setting.directory, "-e", errors, "-c", config]
    return Launch(command, f"{setting.url}/")


NGINX = Contender("nginx", _version, _launch)
UNAUTHENTICATED = Contender("nginx, no auth", _version, _launch, full_job=False)
