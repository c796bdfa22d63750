"""The database: SQLite in WAL mode or PostgreSQL, with one writing thread."""
