"""Questions to the tables of an archive. Needs pyarrow and duckdb, the extra ``[table]``."""
