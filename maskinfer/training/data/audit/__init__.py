"""Audit of a data set: copies, twins, and leaks between training and test."""
