"""JSON bodies: parsed with numbers as written (`document`), compared value by value (`bodies`)."""
