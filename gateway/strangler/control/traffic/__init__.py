"""Keeps last week's traffic in the store: `recorder` gets the workers' reports, and never waits for the store."""
