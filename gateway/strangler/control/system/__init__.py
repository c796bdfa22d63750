"""The operating system: signals, file watching, systemd, child processes, proc(5)."""
