"""The gates: pure functions from evidence to a reading.

Start with `readings`: which gates count in which state. Each
gate has a module: `equivalence`, `callers` (failing and slow callers), `metric`.
`currency` recognises evidence that is stale or about something else.
"""
