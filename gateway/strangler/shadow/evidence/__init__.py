"""Evidence: stored (`store`, `tables`), read (`stored_evidence`, `stored_pairs`), weighed (`sequence`, `verdict`).

`epochs` decides which evidence belongs together, `variety` how many callers and
requests it rests on.
"""
