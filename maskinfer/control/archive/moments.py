"""The moments of an archive in which people had a label, and what the pictures of those moments are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from maskinfer.control.archive.count import Where
from maskinfer.control.archive.tables import ask, faces_of
from maskinfer.engine.results import INCORRECT_MASK, WITHOUT_MASK

if TYPE_CHECKING:
    import duckdb

VIOLATIONS = (WITHOUT_MASK, INCORRECT_MASK)
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """One person with one label for some time.

    Attributes:
        name: of the video, below the folder of the archive.
        camera: of the video.
        visit: the person's visit.
        label, bare: see ``LabelSpan``.
        from_s, to_s: in seconds from the video's first frame.
        from_at: on the wall; None if that is not known.
        best_s: when the person is seen best; None if the label was never shown in a frame of its own.
        xyxy: of the face at that time, in pixels of a frame of ``size_wh``.
        size_wh: of the video's frames.
        track_ids: that show the person.
    """

    name: str
    camera: str
    visit: str
    label: str
    bare: str | None
    from_s: float
    to_s: float
    from_at: datetime | None
    best_s: float | None
    xyxy: Box | None
    size_wh: tuple[int, int]
    track_ids: tuple[int, ...]

    @property
    def shown_s(self) -> float:
        """When a picture of it is to be taken."""
        return (self.from_s + self.to_s) / 2 if self.best_s is None else self.best_s


def find_moments(
    database: duckdb.DuckDBPyConnection,
    labels: Sequence[str] = VIOLATIONS,
    where: Where | None = None,
    most: int | None = None,
) -> list[Moment]:
    """Return the moments with some labels, file after file and in order.

    Args:
        database: from ``open_tables``.
        labels: that are looked for; by default those that are a violation.
        where: which visits.
        most: so many of the longest; None for all.

    Raises:
        SourceError: the tables cannot be read.
    """
    condition, values = (where or Where()).sql()
    sql = f"""
        SELECT m.*, f.width, f.height, v.track_ids FROM (
          SELECT * FROM (SELECT *, from_at AS moment FROM spans) WHERE list_contains(?, label) AND {condition}
          ORDER BY to_s - from_s DESC LIMIT ?
        ) m JOIN files f USING (name) JOIN visits v USING (name, visit) ORDER BY m.name, m.from_s, m.visit
    """
    rows = ask(database, sql, [list(labels), *values, (1 << 62) if most is None else most]).to_pylist()
    return [
        Moment(
            row["name"], row["camera"], row["visit"], row["label"], row["bare"], row["from_s"], row["to_s"],
            row["from_at"], row["best_s"],
            None if row["left"] is None else (row["left"], row["top"], row["right"], row["bottom"]),
            (row["width"], row["height"]), tuple(row["track_ids"]),
        )
        for row in rows
    ]  # fmt: skip


def boxes_of(database: duckdb.DuckDBPyConnection, moment: Moment, every_s: float = 0.1) -> list[tuple[float, Box]]:
    """Return where a person's face is during a moment: times in seconds, and boxes in pixels."""
    sql = """
        SELECT time_s, "left", top, "right", bottom FROM faces
        WHERE time_s BETWEEN ? AND ? AND list_contains(?, track_id) ORDER BY time_s
    """
    values = [moment.from_s - 2, moment.to_s + 2, list(moment.track_ids)]
    rows = faces_of(database, moment.name, sql, values).to_pylist()
    found: list[tuple[float, Box]] = []
    for row in rows:
        if not found or row["time_s"] - found[-1][0] >= every_s:
            found.append((row["time_s"], (row["left"], row["top"], row["right"], row["bottom"])))
    return found


def faces_near(database: duckdb.DuckDBPyConnection, moment: Moment, within_s: float = 0.5) -> list[Box]:
    """Return where any face was shortly before or after a moment's picture, so that none is missed: boxes in pixels."""
    sql = 'SELECT "left", top, "right", bottom FROM faces WHERE time_s BETWEEN ? AND ?'
    at_s = moment.shown_s
    rows = faces_of(database, moment.name, sql, [at_s - within_s, at_s + within_s]).to_pylist()
    return [(row["left"], row["top"], row["right"], row["bottom"]) for row in rows]
