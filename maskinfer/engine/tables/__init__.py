"""Results as Parquet tables, for questions to whole archives. Needs pyarrow, the extra ``[table]``."""
