"""Plans, designs, estimators, rules, decisions, rollout."""
