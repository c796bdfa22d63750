"""The control process: starts workers and judge, keeps the snapshot current, serves the admin API.

Start with `supervisor`, which connects the parts and handles signals. `configuration` loads and
reloads; `key_sets` and `upstreams` find out what the workers need to know;
`workers` and `judge` hold both ends of each kind of process, `messages` what
they send; `status` is what `admin` shows; `system` is the operating system.
"""
