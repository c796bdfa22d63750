"""From a request to its route, side and upstream: one pure function, `decide.decide`.

`split` chooses the side of a migration, `readings` lists how servers may read a
path, `trust` decides which forwarding headers count, `explain` and `rehearse`
answer what-if questions; the YAML's routing tests (`model.routing_tests`) are rehearsed. No sockets, no clock.
"""
