"""Worker processes. `main` runs in a worker; `fleet` starts and replaces all workers from the control process.

Parts of `fleet`: `handle` (one worker), `briefing` (what every worker must
know), `start_schedule` with `crash_loop`, `requested_reports`, `silence`.
`listening`, `handover` and `runtime_folder` keep the sockets open across
restarts of the control process.
"""
