"""Published numbers that cannot be turned back into few pupils: rules, suppression, an attacker's audit. No engine."""
