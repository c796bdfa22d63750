"""Checks across sections: names that must exist, settings that depend on each other.

One subject a file; each check reports problems with their places.
"""
