"""The text of a configuration: YAML with positions, environment variables, files, problems.

Start with `yaml_reader` and `document`; `values` parses durations, sizes and
addresses, `problems` formats what is wrong for the person who wrote it.
"""
