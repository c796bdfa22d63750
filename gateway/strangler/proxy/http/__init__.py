"""HTTP that clients and upstreams share: header fields, status lines, TLS, closing a connection.

`problem_responses` are the gateway's own responses (RFC 9457).
"""
