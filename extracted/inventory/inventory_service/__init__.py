"""The inventory service: the shop's stock, taken out of the monolith, with a database of its own."""
