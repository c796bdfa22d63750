"""`strangler explain`: what happens to one request, and why."""
