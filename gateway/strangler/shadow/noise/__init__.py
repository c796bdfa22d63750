"""Differences between legacy's own responses. Start with `noise`; docs/decisions/0023 has the statistics.

`operation` and `place` count the differences of an operation, `judgement` has
the possible results, `suggestions` proposes rules.
"""
