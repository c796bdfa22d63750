"""strangler-gateway: one URL in front of a monolith and the services extracted from it.

Start with `model` (the compiled configuration) and `routing.decide` (what
happens to a request). `proxy` carries requests, `config` compiles the YAML,
`control` runs the processes, `comparison` and `shadow` prove a new service.
Imports point one way, see `[tool.importlinter]` in pyproject.toml.
"""
