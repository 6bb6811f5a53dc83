"""The commands that make a model right at a door of one's own, and the data that they take."""
