"""Key sets of token issuers: `source` keeps one provider's current, `providers` runs a source for each provider."""
