"""Moving a migration by evidence: when to promote, hold or roll back.

Start with `states` (the state machine) and `advance` (one turn of it). `policy`
is what the YAML allows, `evidence` what was measured, `gates` and `holds` weigh
both, `statistics` has the tests, `simulation` plays `advance` on made-up
callers. Nothing here does I/O or reads a clock: the caller passes the time.
"""
