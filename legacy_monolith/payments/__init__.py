"""Paying for orders."""
