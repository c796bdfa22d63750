"""A query string as the API understands it."""

from __future__ import annotations

from urllib.parse import parse_qsl


def read_query(query_string: bytes) -> dict[str, str]:
    """The parameters that have a value; of a repeated one the last counts, also if that is empty."""
    # Bytes that are not UTF-8 become U+FFFD, whether percent-encoded or raw.
    pairs = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: value for name, value in dict(pairs).items() if value}
