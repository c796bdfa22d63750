"""The users service: the shop's users, taken out of the monolith, with a database of its own."""
