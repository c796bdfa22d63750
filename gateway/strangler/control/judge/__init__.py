"""The judge's process, and how the control process sees it.

In the judge: `main` joins `judging` (pairs and outcomes) and `storing` (the
store of evidence, its state in `store_state`). In the control process: `handle`
starts and replaces the judge, `figures` sums its reports, `workers_socket` is
where workers connect.
"""
