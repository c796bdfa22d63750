"""Connections from clients: start with `connection`.

`listener` accepts, `client_hello` and `proxy_protocol` read what comes before
the first request.
"""
