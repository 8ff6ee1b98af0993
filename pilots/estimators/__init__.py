"""Estimators on a table of rows: one protocol, a function a design, chosen by the design and never by the result."""
