"""Verifying callers: bearer tokens (RFC 7519) and client certificates.

Start with `verify`; `keys` selects a key of a key set, `require` checks what a
route demands, `identity` is the result. Key sets are fetched elsewhere
(`control.key_sets`): nothing here does I/O.
"""
