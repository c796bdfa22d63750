"""The control process: starts workers and judge, keeps the snapshot current, serves the admin API.

Start with `supervisor`. `workers` and `judge` hold both ends of each kind of
process, `messages` what they exchange; `upstreams` checks health and resolves
names, `key_sets` fetches keys, `status` collects metrics, `system` talks to the
operating system.
"""
