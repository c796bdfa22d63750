"""`strangler shadow`: one module a subcommand."""
