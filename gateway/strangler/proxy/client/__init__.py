"""Connections from clients: start with `states`, then `connection`.

`listener` accepts and takes new certificates, `request_reader` parses, `repeated_heads` skips parsing for
fields that were seen before (docs/decisions/0003), `endings` bounds how a
connection closes. Requests are decided in `exchange`; the plane is known as a
`worker.Worker` alone.
"""
