"""A place of one's own: its doubtful faces collected, and labelled in a browser."""
