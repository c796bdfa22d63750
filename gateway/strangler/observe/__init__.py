"""What the gateway reports about itself: access log, event log, counters, failures of background tasks.

Nothing here may block a request: logs are written in batches by a thread
(`background_stream`), counters are plain numbers (`counters`), sent as a
`worker_report`. Without structlog but for `logs`, as the data plane does without it.
"""
