"""Moving a migration by evidence: when to promote, hold or roll back.

Start with `states` (the state machine) and `advance` (one turn of it). `policy`
is what the YAML allows, `evidence` what was measured; `gates` and `holds` weigh
both, `commands` are people's, `record` and `audit` what is stored. `statistics`
has the tests, `outlook` what a rollout will take, `simulation` plays `advance` on
made-up callers. Nothing here does I/O or reads a clock: callers pass the time.
"""
