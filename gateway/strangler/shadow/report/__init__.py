"""Reports about a migration: the data (`report`), its words (`words`), an HTML page (`page`)."""
