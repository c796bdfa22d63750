"""Request fields that a client must not set, because servers and applications believe them: the one list.

Facts: a server behind a proxy takes some request fields for the proxy's word.
gunicorn makes SCRIPT_NAME and PATH_INFO of fields with these names when the
peer is in `forwarded_allow_ips` (127.0.0.1 by default), so a client that sends
them chooses the path that the application sees, past every rule of the gateway.
Symfony, Laminas and IIS take the path from X-Original-URL and X-Rewrite-URL.
Frameworks and single sign-on proxies agree on names for the user, the scheme
and the client's address, which applications read without asking who sent them.
CGI-like servers fold `-`, `_` and other characters, and any case, so every
spelling of a name counts (`folded`).

The data plane, the checks of the configuration and the reference in the
documentation all read this list.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from strangler.model.identity_headers import IDENTITY_HEADERS

Sender = Literal["proxies", "anyone"]

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


class FieldGroup(NamedTuple):
    """Fields that are dropped for the same reason.

    `proxies` describes what happens to them if a trusted proxy sends them;
    `passable` is whether `pass_headers` may let them through.
    """

    title: str
    reason: str
    proxies: str
    passable: bool
    names: tuple[str, ...]


IDENTITY_GROUP = FieldGroup(
    "Identity, set by the gateway",
    "The gateway alone sets these, from a verified token or certificate. RFC 9440 requires that `Client-Cert` and"
    " `Client-Cert-Chain` are dropped; `X-Strangler-*` belong to the gateway and django-strangler.",
    "dropped",
    False,
    IDENTITY_HEADERS,
)
FORWARDING_GROUP = FieldGroup(
    "Forwarding, written by the gateway",
    "The gateway writes these itself, from the connection or from what a trusted proxy reports.",
    "read and rewritten",
    False,
    ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"),
)
PLACE_GROUP = FieldGroup(
    "Forwarding, from trusted proxies",
    "Applications build links from these. A trusted proxy must overwrite what its clients send.",
    "forwarded as sent; of a list of ports, that of the client's connection",
    True,
    ("X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server"),
)
ADDRESS_GROUP = FieldGroup(
    "Client address",
    "Applications use these as the client's address, for limits, logs and access rules.",
    "replaced by the client's address",
    True,
    (
        "X-Real-IP",
        "X-Client-IP",
        "Client-IP",
        "True-Client-IP",
        "X-True-Client-IP",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "X-Appengine-User-IP",
        "X-Azure-ClientIP",
        "X-Azure-SocketIP",
        "X-Cluster-Client-IP",
        "X-Envoy-External-Address",
        "X-Nf-Client-Connection-IP",
        "X-Original-Forwarded-For",
        "X-Originating-IP",
        "X-ProxyUser-IP",
        "X-Remote-Addr",
        "X-Remote-IP",
        "Proxy-Client-IP",
        "WL-Proxy-Client-IP",
    ),
)
PATH_GROUP = FieldGroup(
    "Path, method and host",
    "Servers and frameworks serve what these name instead of the request target: gunicorn (SCRIPT_NAME, PATH_INFO),"
    " IIS, Symfony, Laminas (X-Original-URL, X-Rewrite-URL), Traefik's and Envoy's own fields.",
    "dropped",
    True,
    (
        "SCRIPT_NAME",
        "PATH_INFO",
        "X-Script-Name",
        "X-Path-Info",
        "X-Forwarded-Path",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Path",
        "X-Original-Method",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-Envoy-Original-Path",
        "X-Envoy-Original-Host",
        "X-Envoy-Internal",
        "X-Host",
        "X-HTTP-Host-Override",
        "X-Host-Override",
        "X-Middleware-Subrequest",
        "X-Accel-Mapping",
        "X-Sendfile-Type",
    ),
)
AGREEING_GROUP = FieldGroup(
    "Scheme, from trusted proxies",
    "Servers compare these with X-Forwarded-Proto and refuse a contradiction, as gunicorn does.",
    "rewritten to agree with X-Forwarded-Proto",
    True,
    ("X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Ssl"),
)
SCHEME_GROUP = FieldGroup(
    "Scheme",
    "gunicorn, Rack, IIS and applications treat a request with one of these as received over https. The"
    " gateway reports the scheme in X-Forwarded-Proto.",
    "dropped",
    True,
    (
        "X-Forwarded-Https",
        "X-Url-Scheme",
        "X-Scheme",
        "X-Https",
        "Front-End-Https",
        "X-Arr-Ssl",
        "CloudFront-Forwarded-Proto",
        "WL-Proxy-SSL",
    ),
)
USER_GROUP = FieldGroup(
    "User",
    "Applications behind a single sign-on proxy (Apache, oauth2-proxy, Authelia, Kong, identity-aware"
    " proxies) read the user's name from these.",
    "dropped",
    True,
    (
        "REMOTE_USER",
        "X-Remote-User",
        "X-Remote-Group",
        "X-Remote-Groups",
        "X-Remote-Name",
        "X-Remote-Email",
        "Remote-Groups",
        "Remote-Name",
        "Remote-Email",
        "X-Authenticated-User",
        "X-Authenticated-Userid",
        "X-Authenticated-Groups",
        "X-Authenticated-Scope",
        "X-WebAuth-User",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Auth-Request-Groups",
        "X-Auth-Request-Preferred-Username",
        "X-Auth-Request-Access-Token",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Access-Token",
        "X-Consumer-ID",
        "X-Consumer-Username",
        "X-Consumer-Custom-ID",
        "X-Consumer-Groups",
        "X-Credential-Identifier",
        "X-Anonymous-Consumer",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-Authenticated-User-ID",
        "X-Amzn-Oidc-Identity",
        "X-Ms-Client-Principal",
        "X-Ms-Client-Principal-ID",
        "X-Ms-Client-Principal-Name",
        "X-Ms-Client-Principal-Idp",
        "Cf-Access-Authenticated-User-Email",
        "Tailscale-User-Login",
        "Tailscale-User-Name",
    ),
)
CERTIFICATE_GROUP = FieldGroup(
    "Client certificate",
    "Applications read the client certificate from these, as proxies that terminate TLS send it.",
    "dropped",
    True,
    (
        "X-Forwarded-Client-Cert",
        "X-Client-Cert",
        "X-Client-Cert-Chain",
        "X-Client-Certificate",
        "X-Client-DN",
        "X-Client-Verify",
        "X-Arr-ClientCert",
        "SSL-Client-Cert",
        "SSL-Client-Verify",
        "SSL-Client-S-DN",
        "SSL-Client-I-DN",
        "SSL-Client-Subject-DN",
        "SSL-Client-Issuer-DN",
        "X-SSL-Cert",
        "X-SSL-Client-Cert",
        "X-SSL-Client-Verify",
        "X-SSL-Client-CN",
        "X-SSL-Client-DN",
        "X-SSL-Client-S-DN",
        "X-SSL-Client-I-DN",
        "X-SSL-Client-SHA1",
        "X-SSL-Client-Serial",
        "X-SSL-Issuer",
        "X-Amzn-Mtls-Clientcert",
        "X-Amzn-Mtls-Clientcert-Leaf",
        "X-Amzn-Mtls-Clientcert-Subject",
        "X-Amzn-Mtls-Clientcert-Issuer",
        "X-Amzn-Mtls-Clientcert-Serial-Number",
    ),
)
CGI_GROUP = FieldGroup(
    "CGI variables",
    "A server may set the CGI variable of the same name from these (RFC 3875, CVE-2016-5385), as"
    " gunicorn does for those in its `forwarder_headers`.",
    "dropped",
    True,
    (
        "AUTH_TYPE",
        "DOCUMENT_ROOT",
        "DOCUMENT_URI",
        "GATEWAY_INTERFACE",
        "HTTPS",
        "PATH_TRANSLATED",
        "Proxy",
        "QUERY_STRING",
        "REDIRECT_STATUS",
        "REDIRECT_URL",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_IDENT",
        "REMOTE_PORT",
        "REQUEST_METHOD",
        "REQUEST_SCHEME",
        "REQUEST_URI",
        "SCRIPT_FILENAME",
        "SCRIPT_URI",
        "SCRIPT_URL",
        "SERVER_ADDR",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
    ),
)
GROUPS = (
    IDENTITY_GROUP,
    FORWARDING_GROUP,
    PATH_GROUP,
    USER_GROUP,
    CERTIFICATE_GROUP,
    ADDRESS_GROUP,
    AGREEING_GROUP,
    SCHEME_GROUP,
    PLACE_GROUP,
    CGI_GROUP,
)


def folded(name: str) -> str:
    """`name` as a CGI-like server compares it: lower case, `-` for whatever is no letter and no digit."""
    return _NOT_ALPHANUMERIC.sub("-", name.lower())


def folded_names(*groups: FieldGroup) -> frozenset[str]:
    """The folded names of `groups`."""
    return frozenset(folded(name) for group in groups for name in group.names)


IDENTITY = folded_names(IDENTITY_GROUP)
"""Fields that only the gateway sets."""
FORWARDED = folded_names(FORWARDING_GROUP, AGREEING_GROUP, PLACE_GROUP, ADDRESS_GROUP)
"""Fields that are looked at where a trusted proxy sends them, and dropped from anyone else."""
ADDRESSES = folded_names(ADDRESS_GROUP)
BELIEVED = folded_names(PATH_GROUP, SCHEME_GROUP, USER_GROUP, CERTIFICATE_GROUP, CGI_GROUP)
"""Fields that are dropped from requests of every peer."""
PASSABLE = folded_names(*(group for group in GROUPS if group.passable))
"""Fields that `pass_headers` may let through."""


def reference() -> str:
    """The list in Markdown, for the reference of the configuration."""
    lines = [
        "| fields | dropped because | from a trusted proxy | `pass_headers` |",
        "|---|---|---|---|",
    ]
    for group in GROUPS:
        names = ", ".join(f"`{name}`" for name in group.names)
        passed = "yes" if group.passable else "no"
        lines.append(f"| **{group.title}**: {names} | {group.reason} | {group.proxies} | {passed} |")
    return "\n".join(lines) + "\n"
