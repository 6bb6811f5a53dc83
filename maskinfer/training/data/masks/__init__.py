"""Drawn masks and occluders on faces."""
