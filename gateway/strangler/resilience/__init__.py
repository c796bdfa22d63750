"""What keeps clients from noticing that something behind the gateway fails.

Each module is one mechanism as plain state: no socket, no clock, no task. Time
is handed in, in seconds of a monotonic clock.
"""
