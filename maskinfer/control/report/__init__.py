"""What happened in a period: counted, and shown as a table, as CSV, as JSON and as a page."""
