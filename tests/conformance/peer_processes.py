"""nginx and HAProxy before the same upstream, as plain reverse proxies with the same rules.

Both keep `/admin/**` and `/reports/secret` from whoever sends no Authorization,
and send everything else on. What a distribution's package does by default stays
as it is, but Host is passed on and bodies are not collected first.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Connection "";
  proxy_request_buffering off;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    location /admin/ {{
      if ($http_authorization = "") {{ return 401; }}
      proxy_pass http://127.0.0.1:{upstream};
    }}
    location = /reports/secret {{
      if ($http_authorization = "") {{ return 401; }}
      proxy_pass http://127.0.0.1:{upstream};
    }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend clients
  bind 127.0.0.1:{port}
  http-request deny deny_status 401 if {{ path_beg /admin/ }} !{{ req.hdr(authorization) -m found }}
  http-request deny deny_status 401 if {{ path /reports/secret }} !{{ req.hdr(authorization) -m found }}
  default_backend legacy
backend legacy
  http-reuse never
  server legacy 127.0.0.1:{upstream}
"""


@dataclass(frozen=True)
class Peer:
    """A running proxy: its name, its version, and where it listens."""

    name: str
    version: str
    port: int


def _binary(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert found is not None, f"{name} is not installed; it is a package of Debian"
    return found


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def listens() -> bool:
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, f"{command[0]} to listen")
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[Peer]:
    """nginx before 127.0.0.1:`upstream`; `folder` takes its files."""
    binary = _binary("nginx")
    (port,) = free_ports(1)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    with _running([binary, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(file)], port):
        yield Peer("nginx", said.strip().rpartition("/")[2], port)


@contextmanager
def haproxy(folder: Path, upstream: int) -> Iterator[Peer]:
    """HAProxy before 127.0.0.1:`upstream`; `folder` takes its files."""
    binary = _binary("haproxy")
    (port,) = free_ports(1)
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(port=port, upstream=upstream))
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stdout
    with _running([binary, "-db", "-f", str(file)], port):
        yield Peer("HAProxy", said.split()[2].partition("-")[0], port)
