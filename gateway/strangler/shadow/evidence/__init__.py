"""Evidence: stored (`store`, `tables`), read (`stored_evidence`, `stored_pairs`), weighed (`sequence`, `verdict`).

`epochs` tells which evidence belongs together, `variety` how many callers and
requests it rests on.
"""
