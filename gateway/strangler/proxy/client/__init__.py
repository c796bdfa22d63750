"""Connections from clients: start with `connection`.

`listener` accepts, `request_head` checks and forwards a head, `known_heads`
skips parsing for a head that was seen before (docs/decisions/0003).
"""
