"""The database: SQLite in WAL mode or PostgreSQL, with one thread that writes and a deadline for everything."""
