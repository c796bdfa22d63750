"""The catalog service: the shop's products, taken out of the monolith, with a database of its own."""
