"""Visits: who was before a camera, from when to when, where, and with what label."""
