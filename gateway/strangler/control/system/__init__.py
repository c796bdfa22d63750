"""The operating system.

`signals` holds what arrives before the handlers exist, `orphans` and
`python_command` are about processes too, `notify` about systemd,
`watch` about files; `process_figures` and `descriptor_limits` report on what the
kernel grants.
"""
