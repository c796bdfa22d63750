"""Differences that legacy shows against itself. Start with `noise`; docs/decisions/0023 has the statistics.

`place` counts one difference of an operation, `suggestions` proposes rules.
"""
