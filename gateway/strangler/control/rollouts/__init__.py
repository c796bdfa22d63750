"""Rollouts in the control process: what reads evidence, lets `strangler.rollout` decide, and publishes the result.

Start with `controller`. `errors` and `views` are what people and the admin API
meet; everything that is decided stands in the store.
"""
