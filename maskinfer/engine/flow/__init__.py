"""Threads, signals and clocks: how the stages of a job overlap, stop and are timed."""
