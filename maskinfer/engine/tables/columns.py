"""What the tables of an archive hold: a column each, with its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskinfer.engine.errors import MissingExtraError
from maskinfer.engine.results import LABELS

if TYPE_CHECKING:
    import pyarrow as pa

FACES, VISITS, SPANS, FILES = TABLES = ("faces", "visits", "spans", "files")
"""The tables: a row for each face and frame, for each visit, for each label of a visit, and for each video."""
SUFFIX = ".parquet"
EXTRA = "table"
_WHERE = (("name", "text"), ("camera", "text"), ("source", "text"))
_SPAN = (("from_s", "seconds"), ("to_s", "seconds"), ("from_at", "moment"), ("to_at", "moment"))
_BOX = (("left", "real"), ("top", "real"), ("right", "real"), ("bottom", "real"))
COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    FACES: (
        *_WHERE, ("frame", "count"), ("time_s", "seconds"), ("seen_at", "moment"), ("track_id", "count"),
        ("label", "text"), ("score", "real"), *((label, "real") for label in LABELS), ("det_score", "real"), *_BOX,
        ("bare", "text"), ("sharpness", "real"), ("others", "shares"),
    ),
    VISITS: (
        *_WHERE, ("visit", "text"), *_SPAN, ("label", "text"), ("bare", "text"), ("violations", "count"),
        ("track_ids", "counts"),
    ),
    SPANS: (
        *_WHERE, ("visit", "text"), *_SPAN, ("label", "text"), ("bare", "text"), ("score", "real"),
        ("track_id", "count"), ("best_s", "seconds"), *_BOX,
    ),
    FILES: (
        *_WHERE, ("began_at", "moment"), ("frames", "count"), ("duration_s", "seconds"), ("width", "count"),
        ("height", "count"), ("faces", "count"), ("visits", "count"),
    ),
}  # fmt: skip


def need_pyarrow() -> None:
    """Check that tables can be written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("pyarrow", EXTRA) from error


def schema_of(table: str) -> pa.Schema:
    """Return the Arrow schema of a table."""
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "count": pa.int64(),
        "counts": pa.list_(pa.int64()),
        "seconds": pa.float64(),
        "real": pa.float32(),
        # One column whatever a model knows, so that tables of several models are one table.
        "shares": pa.map_(pa.string(), pa.float32()),
        "moment": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS[table]])
