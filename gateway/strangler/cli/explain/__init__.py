"""`strangler explain`: `explanation` is computed without I/O, `text` prints it, `command` reads the command line.

`policies` are the limits, deadlines, retries and fallbacks of the request.
"""
