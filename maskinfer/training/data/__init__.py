"""Training and evaluation data: reading, grouping, face crops."""
