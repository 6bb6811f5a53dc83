"""Training of the face detector."""
