"""Last week's traffic: requests by the hour and callers by the day, for each route, side and upstream.

`counts` gathers them from the workers' reports, `tables` is how they are stored,
`week` what is read for `strangler plan` and for simulations. Nothing here knows
of configurations or workers.
"""
