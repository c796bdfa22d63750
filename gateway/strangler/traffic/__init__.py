"""Last week's traffic: requests by the hour and callers by the day, for each route, side and upstream.

`counts` gathers them from the workers' reports, `tables` is how they are stored,
`week` and `daily` what is read for `strangler plan`, simulations and warnings.
Nothing here knows of configurations or workers.
"""
