"""Where it runs: local stack, jars, monitoring."""
