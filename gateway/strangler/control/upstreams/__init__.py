"""Upstreams seen from the control process: health checks, DNS discovery, status."""
