"""What clients and upstreams have in common: header fields, status lines, TLS, ending a connection.

`problem_responses` are the gateway's own responses (RFC 9457).
"""
