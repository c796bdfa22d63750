"""One request and its response: start with `exchange`.

`authentication` and `admission` may refuse it, `attempts`, `recovery` and
`hedging` send it more than once, `transforms` change it, `tunnel` carries what
follows an upgrade.
"""
