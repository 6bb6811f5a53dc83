"""Data, training and evaluation. Training needs the ``[train]`` extra; evaluation does not."""
