"""The immutable runtime state: what the YAML compiles to, and what workers serve by.

Start with `snapshot`; the other modules hold its parts, one subject each.
`route_index` finds a route, `dropped_fields` lists the request fields that
clients must not set. No pydantic, no YAML, no I/O.
"""
