"""The command line: one file a noun, imports late."""
