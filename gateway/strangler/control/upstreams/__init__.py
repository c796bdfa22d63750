"""Upstreams seen from the control process. Start with `monitor`.

It runs `discovery` (DNS) and `health` (active checks); `status` combines both
with the workers' reports.
"""
