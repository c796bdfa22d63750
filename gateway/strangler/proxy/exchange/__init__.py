"""One request and its response: start with `exchange`, whose parts see it as `under_way` declares.

`request_head` checks and forwards a head, `known_heads` skips that for one seen
before (docs/decisions/0003). `authentication` and `admission` may refuse,
`attempts`, `recovery` and `hedging` send a request again, `transforms` change
it, `sending` and `response` write to either side, `failures` and `completion`
end it, `switching` makes a `tunnel` of it. Knows no client connection and no
plane, but the protocols in `under_way`.
"""
