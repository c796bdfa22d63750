"""The gates: pure functions from evidence to a reading.

`readings` says which gates count in which state, and is where to start. Each
gate has a module: `equivalence`, `callers` (failing and slow callers), `metric`.
`currency` recognises evidence that is stale or about something else.
"""
