"""Connections from clients: start with `connection`.

`listener` accepts, `states` has the table of states and deadlines,
`request_reader` parses requests, `repeated_heads` skips parsing for a head that
was seen before (docs/decisions/0003). Requests are decided in `exchange`.
"""
