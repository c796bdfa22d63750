"""A Django project behind strangler-gateway.

`middleware` is what a project installs first, `conf` the setting STRANGLER. In packages: `identity` (who a session
belongs to), `tokens` (the gateway's token as `request.user`), `guard` (shadow copies without effects), `inventory`
(the project's routes) and `data` (what moves with a service). `signatures` and `replays` are the protocol with the
gateway. Nothing here imports the gateway, and nothing runs for a request that does not concern it.
"""
