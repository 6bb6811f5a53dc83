"""The page on which the faces of a place are labelled."""
