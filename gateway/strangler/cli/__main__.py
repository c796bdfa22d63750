"""`python -m strangler.cli` is `strangler`."""

from strangler.cli.main import main

main()
