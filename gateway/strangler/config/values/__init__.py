"""Values that YAML writes as text: each function parses what was written into what the snapshot holds.

They raise ValueError with a message for the person who wrote it. One subject a
file; `strangler.config.schema.field_types` has the fields' types of the same
names. No pydantic, and no positions: those are added where the error is caught.
"""
