"""Files and mail for schools."""
