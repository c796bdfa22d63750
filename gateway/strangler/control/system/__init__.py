"""The operating system.

`signals`, `orphans` and `python_command` are about processes, `notify` about systemd,
`watch` about files; `process_figures` and `descriptor_limits` report on what the
kernel grants.
"""
