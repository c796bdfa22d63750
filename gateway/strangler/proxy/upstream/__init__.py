"""Connections to endpoints: start with `upstream_pool`, which chooses an endpoint.

`endpoint_pool` keeps the connections of one endpoint, `connection` sends a
request and reads its response, `short_response` reads plain responses without
the parser (docs/decisions/0004).
"""
