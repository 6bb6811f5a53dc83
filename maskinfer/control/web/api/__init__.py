"""What programs ask for: the HTTP API and its description."""
