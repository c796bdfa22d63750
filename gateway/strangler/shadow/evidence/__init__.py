"""Evidence: stored (`store`, `tables`), summed up (`stored_evidence`) and weighed (`sequence`, `verdict`).

`epochs` tells which evidence belongs together, `variety` how many callers and
requests it rests on.
"""
