"""The operating system.

`signals`, `orphans` and `isolated` are about processes, `notify` about systemd,
`watch` about files; `process_figures` and `descriptor_limits` report on what the
kernel grants.
"""
