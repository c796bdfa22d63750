"""`strangler compare`: `command` prints the report, `options` prepares a run, `running` replays the requests."""
