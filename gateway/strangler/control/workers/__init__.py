"""Worker processes: `main` runs in a worker, `handle` is one worker seen from the control process, `fleet` all of them.

`listening`, `handover` and `runtime_folder` keep the sockets open across restarts.
"""
