"""`python -m gateway.cli` is `strangler`."""

from gateway.cli.main import main

main()
