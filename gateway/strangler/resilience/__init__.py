"""Mechanisms that hide failures behind the gateway from clients.

Each module is one mechanism as plain state: no socket, no clock, no task. Time
is passed in, in seconds of a monotonic clock.
"""
