"""Data that two sides share while it moves: an app of its own, `django_strangler.data`, with two tables.

`outbox` publishes what a transaction changed, `relay` sends it. `soft_keys` refers to rows that live elsewhere, and
remembers those that are gone. `task_names` keeps Celery's messages running while their tasks move.
"""
