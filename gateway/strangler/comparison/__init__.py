"""Comparing two responses to the same request.

Start with `compare.compare`. `rules` are a migration's compiled rules, `json`
and `html` compare structured bodies, `text`, `headers` and `cookies` the rest;
`difference` and `findings` are the result. Knows nothing of shadowing, sockets
or storage; used by `shadow`, `replay` and `testing`.
"""
