"""The night: its steps in order, what each left behind, and how to go on after one that failed."""
