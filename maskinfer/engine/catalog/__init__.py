"""Model files: shipped, registered by the user, fetched; each with its contract."""
