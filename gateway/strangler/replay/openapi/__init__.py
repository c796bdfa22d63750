"""Requests from an OpenAPI 3 description: start with `requests`."""
