"""Training of the face detector, so that it finds masked faces as well as bare ones."""
