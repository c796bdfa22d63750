"""A payment provider to develop and test against: takes no money, and fails in every way a real one does."""
