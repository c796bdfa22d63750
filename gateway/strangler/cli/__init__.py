"""The command line: one module or package a command, named as the command; `main` declares them all.

`strangler run` may be sent a signal before it has read its own code, so its
handler is set here, before anything else is imported.
"""

import sys

if sys.argv[1:2] == ["run"]:
    from strangler.control.system.signals import remember_signals

    remember_signals()
