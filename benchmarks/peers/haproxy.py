"""HAProxy: RS256 by `jwt_verify`, routes in a prefix map, the split by a hash of the claim.

HAProxy does not remember a verified token: it verifies the signature each time.
The split is sticky: xxh32 of `sub`, modulo 100, below the percentage.
"""

from __future__ import annotations

import re

from benchmarks.peers.contender import Contender, Launch, installed, printed
from benchmarks.workload import AUDIENCE, ISSUER, PERCENT, Setting, prefixes

_COMMON = """
global
  nbthread 1
  maxconn 4096
  {log}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
"""

_BARE = """
frontend clients
  bind 127.0.0.1:{port}{tls}
  default_backend legacy
"""

# The order is the gateway's: refuse first, then strip what a caller may not say, then add.
# A map that is keyed by prefix (map_beg) is HAProxy's own answer to many routes.
_FULL = """
frontend clients
  bind 127.0.0.1:{port}{tls}
  log global
  log-format '{log_line}'
  unique-id-format %[uuid()]
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
  http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  acl is_rs256 var(txn.alg) -m str RS256
  acl is_issuer var(txn.iss) -m str {issuer}
  acl is_audience var(txn.aud) -m str {audience}
  acl is_expired var(txn.exp),sub(txn.now) -m int lt 0
  acl is_signed var(txn.bearer),jwt_verify(txn.alg,"{key}") -m int 1
  http-request deny deny_status 401 unless is_rs256 is_issuer is_audience !is_expired is_signed
  http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
  http-request set-var(txn.scope) var(txn.bearer),jwt_payload_query('$.scope')
  http-request set-var(txn.route) path,map_beg({routes},none)
  http-request deny deny_status 404 if {{ var(txn.route) -m str none }}
  http-request set-header X-Auth-Subject %[var(txn.sub)]
  http-request set-header X-Auth-Scopes %[var(txn.scope)]
  http-request set-header X-Auth-Issuer %[var(txn.iss)]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto {scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Request-Id %[unique-id]
  use_backend extracted if {{ var(txn.sub),xxh32,mod(100) lt {percent} }}
  default_backend legacy
"""

_LOG_LINE = (
    '{"time":"%Tl","id":"%ID","client":"%ci","method":"%HM","path":"%HP","status":%ST,"bytes":%B,'
    '"route":"%[var(txn.route)]","backend":"%b","subject":"%[var(txn.sub),json(utf8s)]","milliseconds":%Ta}'
)

_BACKENDS = """
backend legacy
  server one 127.0.0.1:{legacy_port}
backend extracted
  server one 127.0.0.1:{extracted_port}
"""


def _version() -> str:
    match = re.search(r"version (\S+)", printed([installed("haproxy"), "-v"]))
    return match.group(1) if match else "unknown"


def _launch(setting: Setting) -> Launch:
    full = setting.job == "full"
    template = _COMMON + (_FULL if full else _BARE) + _BACKENDS
    names = {prefix: prefix.strip("/").replace("/", "-") for prefix in prefixes(setting.routes)}
    routes = "".join(f"{prefix} {name}\n" for prefix, name in names.items())
    config = setting.write(
        "haproxy.cfg",
        template.format(
            log="log stdout format raw local0" if full else "",
            log_line=_LOG_LINE,
            port=setting.port,
            scheme=setting.url.partition(":")[0],
            tls="" if setting.certificate is None else f" ssl crt {setting.certificate.both}",
            legacy_port=setting.legacy_port,
            extracted_port=setting.extracted_port,
            issuer=ISSUER,
            audience=AUDIENCE,
            percent=PERCENT,
            key=setting.write("key.pem", setting.credentials.public_pem),
            routes=setting.write("routes.map", routes),
        ),
    )
    return Launch([installed("haproxy"), "-db", "-f", config], f"{setting.url}/")


HAPROXY = Contender("HAProxy", _version, _launch)
