"""From valid sections to the model: start with `snapshot`, one subject in each other module.

`credentials`, `admin` and `tls` read the files that sections name
(`control.configuration` reloads when one changes), `compare` compiles the rules
of comparison.
"""
