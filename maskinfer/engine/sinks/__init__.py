"""Results out: JSON Lines, tables, crops, events, webhooks, videos, windows."""
