"""Metrics for Prometheus: the workers' sums (`metrics`), the gateway's own condition (`own_metrics`)."""
