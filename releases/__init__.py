"""Build aside, audit, swap in, keep, diff."""
