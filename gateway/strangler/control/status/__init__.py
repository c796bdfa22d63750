"""What the admin API shows. Start with `gateway_status`, which puts the rest together.

`totals` sums what the workers count; `metrics`, `worker_metrics` and
`own_metrics` are Prometheus' families of the traffic, the workers and the
gateway's own condition; `migrations` and `event_log` show one subject each.
"""
