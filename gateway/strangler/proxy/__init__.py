"""The data plane: HTTP/1.1 in, HTTP/1.1 out, streaming. Microseconds count here.

`plane` holds the newest snapshot and all connections of a worker. A request
passes `client` (connection, head), `exchange` (decision, attempts, response)
and `upstream` (pools, connections); `http` has what these share.
Knows nothing of YAML, Starlette or storage.
"""
