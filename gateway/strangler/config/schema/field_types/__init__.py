"""The types of fields, by the names that the JSON Schema and the reference know them by.

One subject a file, as in `strangler.config.values`, whose functions parse what
these types describe.
"""
