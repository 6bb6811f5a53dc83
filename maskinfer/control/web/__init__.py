"""The page of a control room, and its HTTP API."""
