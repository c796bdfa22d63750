"""Shadow copies without effects: the view runs, and nothing of what it does lasts.

Start with `copies`, which runs a request under a `guard.Guard`. `database` rolls back, `sessions` are read-only,
`blocks` puts a lock before mail, Celery, HTTP, caches, files and threads. The locks are permanent and cost one look
at a context variable where no guard is active.
"""
