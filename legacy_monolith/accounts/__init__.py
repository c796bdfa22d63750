"""Customers and staff: who they are, and the tokens that say so."""
