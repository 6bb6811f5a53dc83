"""Groups of options that one command alone has."""
