"""One request and its response: start with `exchange`, whose parts see it as `under_way` declares.

A `request_head` is made of bytes by `plain_head` (docs/decisions/0028), or of what
the parser finds by `gathered_head`. `authentication` and `admission` may refuse,
`attempts`, `recovery` and `hedging` send a request again, `transforms` change
it, `sending` and `response` write to either side, `failures` and `completion`
end it, `switching` makes a `tunnel` of it. Knows no client connection and no
plane, but the protocols in `under_way`.
"""
