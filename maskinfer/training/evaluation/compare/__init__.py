"""Two or more models side by side on the same faces."""
