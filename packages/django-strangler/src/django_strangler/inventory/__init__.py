"""Every route of the project, from Django's own URL resolver.

Start with `document`, which `manage.py strangler_inventory` writes. `routes` walks the resolver, `views` names what
is known of a view, `decorators` what protects or caches it, `route_names` how a request's route is named.
"""
