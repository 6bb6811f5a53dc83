"""Commands that answer questions to archives."""
