"""What a changed configuration does to last week's traffic: `strangler plan`.

Start with `change`: it compares two `picture`s, which are what routing depends on
of a configuration, and weighs the difference by the traffic of a week. `examples`
are the requests by which routes are compared, as the proxy finds them;
`draw` compares who is drawn to which side, with its own split; `words` is for people.
"""
