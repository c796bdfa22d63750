"""Connections to endpoints: start with `upstream_pool`, which chooses an endpoint.

`endpoint_pool` keeps the connections of one endpoint, `connection` sends a
request and reads its response, the head of a plain one without the parser
(`plain_response`, docs/decisions/0028). Copies and calls of the gateway itself
are a `request_without_client`.
"""
