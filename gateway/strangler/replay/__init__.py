"""Recorded requests sent to both sides: `strangler compare` and test suites.

Start with `replay`. Requests come from `har`, `openapi` or `url_list`;
`results` adds up what was found.
"""
