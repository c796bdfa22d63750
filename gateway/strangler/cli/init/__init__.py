"""`strangler init`: a first configuration for a monolith, from the inventory of its routes.

Start with `command`. `document` writes the YAML, `paths` translates Django's routes to the gateway's path patterns.
"""
