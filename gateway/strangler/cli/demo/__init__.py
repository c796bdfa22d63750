"""`strangler demo`: the reference system on this machine. Start with `command`; `processes` runs its parts."""
