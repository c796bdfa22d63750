"""Requests of commands to the admin API of a running gateway: `address` finds it, `client` sends them."""
