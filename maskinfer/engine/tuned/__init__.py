"""The fastest way of running jobs on this machine: what was measured, kept, and used by ``auto``."""
