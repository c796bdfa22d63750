"""What loses its parent in a container becomes a child of process 1, which has to wait for its end."""

from __future__ import annotations

import subprocess
import sys

SUBREAPER = """
import ctypes, os, subprocess, sys, time
from strangler.control.system.orphans import children, reap_again

PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0

ours = subprocess.Popen(["true"])
# Its child outlives it, and so becomes one of this process.
subprocess.run(["/bin/sh", "-c", "sleep 0.1 & exit"], check=True)

def ended(pid):
    return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z"

end = time.monotonic() + 60
while not (len(children()) == 2 and all(map(ended, children()))):
    assert time.monotonic() < end, children()
    time.sleep(0.01)
first = reap_again(set(), {ours.pid})
print(len(first), len(children()))
print(reap_again(first, {ours.pid}), children() == {ours.pid})
print(ours.wait())
"""


def test_orphans_are_reaped_and_own_children_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", SUBREAPER], stdout=subprocess.PIPE, check=False, timeout=100)
    assert done.stdout.decode().splitlines() == ["1 2", "set() True", "0"]
