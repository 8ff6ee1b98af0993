"""What is about learning, and no engine: settings, contracts, calendar, keys, evidence, mastery, privacy rules."""
