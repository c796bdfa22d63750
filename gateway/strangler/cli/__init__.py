"""The command line. `strangler run` may be sent a signal before it has read its own code, so that comes first."""

import sys

if sys.argv[1:2] == ["run"]:
    from strangler.control.system.signals import remember_signals

    remember_signals()
