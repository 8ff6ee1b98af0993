"""Pages and access."""
