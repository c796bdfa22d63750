"""The admin API, loopback by default.

`api` has its paths (Starlette), `access` who may use them, `connection` the
deadline of a connection (uvicorn).
"""
