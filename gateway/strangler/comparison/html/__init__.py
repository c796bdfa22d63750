"""HTML bodies: parsed into what a browser shows (`tree`), compared as trees (`bodies`)."""
