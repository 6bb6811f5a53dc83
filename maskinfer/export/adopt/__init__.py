"""Adoption of other people's classifiers and detectors."""
