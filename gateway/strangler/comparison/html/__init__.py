"""HTML bodies: parsed as a browser shows them (`tree`), compared as trees (`bodies`)."""
