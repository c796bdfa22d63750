"""The admin API, loopback by default: `api` has its paths (Starlette), `connection` its deadline (uvicorn)."""
