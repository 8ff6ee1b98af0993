"""Mastery in three layers, apart: model (evidence to probability), policy (to a state), ledger (what changed and why).

Pure functions on arrays; the same ones serve Spark, tests and benchmarks.
"""
