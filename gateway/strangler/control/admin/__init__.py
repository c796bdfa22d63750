"""The admin API: Starlette on uvicorn, loopback by default."""
