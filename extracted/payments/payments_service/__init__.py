"""The payments service: charges and refunds through a payment provider, each at most once."""
