"""strangler-gateway: one URL in front of a monolith and the services extracted from it."""
