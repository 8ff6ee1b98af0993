"""The share model: how likely a pupil is right on a competency's items, from sums that merge."""
