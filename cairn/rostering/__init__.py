"""Files that districts keep, read without an engine: OneRoster, CASE, item alignments, vendors' layouts."""
