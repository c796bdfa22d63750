"""What the gateway reports about itself: access log, event log, counters.

Nothing here may block a request: logs are written in batches by a thread
(`background_stream`), counters are plain numbers (`counters`).
"""
