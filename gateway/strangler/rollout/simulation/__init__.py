"""Rollouts on a simulated clock: the very `advance`, with made-up callers.

`traffic` models callers, `events` draws those who fail, `play` drives one
rollout, `figures` sums up many. `python -m strangler.rollout.simulation --help`.
"""
