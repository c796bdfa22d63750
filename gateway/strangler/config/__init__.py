"""From YAML to a snapshot: `load.load` reads, validates, checks and compiles.

`text` reads YAML with positions, `values` parses what YAML writes as text,
`schema` holds the pydantic sections, `checks` what a section can't say by
itself, `compile` makes the model. All problems are reported at once, each with
its place.
"""
