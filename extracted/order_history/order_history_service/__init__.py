"""The order history service: what happened to each order, as the orders service announces it."""
