"""Evaluation: matching, metrics, confidence, plots, model cards."""
