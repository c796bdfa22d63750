"""The text of a configuration: YAML with positions, environment variables, files, problems.

Start with `yaml_reader` and `document`; `problems` formats what is wrong for
the person who wrote it, `masking` keeps values of the environment out of that.
"""
