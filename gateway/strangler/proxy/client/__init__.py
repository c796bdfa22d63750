"""Connections from clients: start with `states`, then `connection`.

`listener` accepts and takes new certificates, `request_reader` turns bytes into
requests, `endings` bounds how a connection closes. Requests are decided in `exchange`; the plane is known as a
`worker.Worker` alone.
"""
