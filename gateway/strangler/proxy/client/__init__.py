"""Connections from clients: start with `states`, then `connection`.

`listener` accepts, `request_reader` parses, `request_head` checks and forwards a
head, `known_heads` and `repeated_heads` skip parsing for fields that were seen
before (docs/decisions/0003), `endings` bounds how a connection closes.
The plane is known as a `worker.Worker` alone.
"""
