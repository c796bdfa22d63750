"""The shop: a monolith with pages, an admin and a JSON API."""
