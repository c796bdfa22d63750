"""Removing secrets from requests and responses before they are stored or shown.

Start with `redaction`; `names` and `words` recognise secrets by the name of a
field, `shapes` by their look, `text`, `markup` and `bodies` find the places.
"""
