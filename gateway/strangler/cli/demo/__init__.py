"""`strangler demo`: the reference system on this machine."""
