"""Whole jobs: images, videos, archives, live watches, rendering, diagnosis."""
