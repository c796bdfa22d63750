"""Text for a terminal: reports and lists."""
