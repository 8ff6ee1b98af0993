"""A district with known truth; a sender like any other."""
