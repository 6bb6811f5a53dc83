"""How many people there were in an archive, by minute, hour, day, week, file and camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from maskinfer.control.archive.tables import ask
from maskinfer.control.report.report import LabelShare, shares_of
from maskinfer.engine.results import UNCERTAIN

if TYPE_CHECKING:
    import duckdb

By = Literal["minute", "hour", "day", "week", "file", "camera"]
BY: tuple[By, ...] = ("minute", "hour", "day", "week", "file", "camera")
Clock = Literal["wall", "recording"]
_PLACES: dict[By, str] = {"file": "name", "camera": "camera"}
_SECONDS: dict[By, int] = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_ON_THE_WALL: dict[By, str] = {
    "minute": "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:00",
    "day": "%Y-%m-%d",
    "week": "%G-W%V",
}
# Who is there in a minute counts in it, with the label that was held longest in that minute.
_IN_MINUTES = """
WITH parts AS (
  SELECT name, camera, visit, label, bare, minute * 60 AS minute_s, from_at, from_s,
         least({begin} + to_s - from_s, minute * 60 + 60)
         - greatest({begin}, minute * 60) AS held_s
  FROM (SELECT *, unnest(range(floor({begin} / 60)::BIGINT,
                               floor(({begin} + to_s - from_s) / 60)::BIGINT + 1)) AS minute
        FROM spans)
), held AS (
  SELECT name, camera, visit, minute_s, label, sum(held_s) AS held_s FROM parts GROUP BY ALL
), seen AS (
  SELECT name, camera, visit, minute_s AS at_s,
         CASE WHEN {is_wall} THEN to_timestamp(minute_s) END AS moment,
         arg_max(label, CASE WHEN label = 'uncertain' THEN -1 ELSE held_s END) AS label
  FROM held GROUP BY ALL
), people AS (
  SELECT *, EXISTS (SELECT 1 FROM visits v WHERE v.visit = seen.visit AND v.violations > 0)
            AND label NOT IN ('with_mask', 'uncertain') AS is_violation
  FROM seen
)
"""
_IN_VISITS = """
WITH people AS (
  SELECT name, camera, from_s AS at_s, from_at AS moment, label, violations > 0 AS is_violation FROM visits
)
"""


@dataclass(frozen=True, slots=True)
class Where:
    """Which people are counted; None for all.

    Attributes:
        camera: of the recordings.
        from_at, to_at: when a visit began; the end is not in it.
    """

    camera: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None

    def sql(self) -> tuple[str, list[object]]:
        """Return the condition and its values."""
        asked = (("camera = ?", self.camera), ("moment >= ?", self.from_at), ("moment < ?", self.to_at))
        given = [(text, value) for text, value in asked if value is not None]
        return " AND ".join(text for text, _ in given) or "true", [value for _, value in given]


@dataclass(frozen=True, slots=True)
class PeopleRow:
    """How many people there were in one place and time.

    Attributes:
        keys: by what was asked for, such as ``{"minute": "2026-11-25 08:03", "camera": "door"}``.
        people: how many by label, ``uncertain`` among them.
        violations: how many of them had on what is not allowed.
    """

    keys: Mapping[str, str]
    people: Mapping[str, int]
    violations: int

    @property
    def total(self) -> int:
        """How many people, of whatever label."""
        return sum(self.people.values())

    @property
    def unknown(self) -> int:
        """How many whose label was never settled; they are in no share."""
        return self.people.get(UNCERTAIN, 0)

    @property
    def shares(self) -> tuple[LabelShare, ...]:
        """How many people have each label, and what share of those whose label is known, with its interval."""
        return shares_of(self.people)


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds.

    Attributes:
        videos, frames, seconds, faces, visits: how much.
        clock: ``wall`` when it is known of every video when it began; ``recording`` when times count from its begin.
        cameras: their names.
    """

    videos: int
    frames: int
    seconds: float
    faces: int
    visits: int
    clock: Clock
    cameras: tuple[str, ...]


def describe_archive(database: duckdb.DuckDBPyConnection) -> Archive:
    """Return what an archive holds."""
    row = ask(
        database,
        "SELECT count(*) AS videos, sum(frames)::BIGINT AS frames, sum(duration_s) AS seconds, "
        "sum(faces)::BIGINT AS faces, sum(visits)::BIGINT AS visits, bool_and(began_at IS NOT NULL) AS is_wall, "
        "list_sort(list_distinct(list(camera))) AS cameras FROM files",
    ).to_pylist()[0]
    clock: Clock = "wall" if row.pop("is_wall") else "recording"
    cameras = tuple(row.pop("cameras") or ())
    return Archive(**{name: value or 0 for name, value in row.items()}, clock=clock, cameras=cameras)


def count_people(
    database: duckdb.DuckDBPyConnection, by: Sequence[By], where: Where | None = None, clock: Clock = "wall"
) -> list[PeopleRow]:
    """Return how many people there were, in order.

    A person is a visit: who comes twice counts twice. By minute, who is there in a minute counts in it, with the label
    held longest in that minute; by anything else, a visit counts once, where it began, with its last settled label.

    Args:
        database: from ``open_tables``.
        by: what each row is of; none for one row of all.
        where: which people.
        clock: of ``describe_archive``.

    Raises:
        SourceError: the tables cannot be read.
    """
    columns = ", ".join(f"{_key_sql(one, clock)} AS key{i}" for i, one in enumerate(by)) or "NULL AS key0"
    begin = "epoch(from_at)" if clock == "wall" else "from_s"
    people = _IN_MINUTES.format(is_wall=str(clock == "wall").lower(), begin=begin) if "minute" in by else _IN_VISITS
    condition, values = (where or Where()).sql()
    order = ", ".join(f"key{i}" for i in range(max(1, len(by))))
    sql = (
        f"{people} SELECT {columns}, label, count(*) AS people, count(*) FILTER (is_violation) AS violations "
        f"FROM people WHERE {condition} GROUP BY ALL ORDER BY {order}, label"
    )
    rows: dict[tuple[object, ...], list[tuple[str, int, int]]] = {}
    for row in ask(database, sql, values).to_pylist():
        key = tuple(row[f"key{i}"] for i in range(max(1, len(by))))
        rows.setdefault(key, []).append((row["label"], row["people"], row["violations"]))
    return [
        PeopleRow(
            {one: _words(one, value, clock) for one, value in zip(by, key, strict=False)},
            {label: people for label, people, _ in some},
            sum(violations for _, _, violations in some),
        )
        for key, some in rows.items()
    ]


def _key_sql(one: By, clock: Clock) -> str:
    if one in _PLACES:
        return _PLACES[one]
    return f"date_trunc('{one}', moment)" if clock == "wall" else f"floor(at_s / {_SECONDS[one]})::BIGINT"


def _words(one: By, value: object, clock: Clock) -> str:
    """Return the name of a row: a time on the wall, or since the begin of the recordings."""
    if isinstance(value, datetime):
        return value.astimezone().strftime(_ON_THE_WALL[one])
    if one in _PLACES or not isinstance(value, int) or clock == "wall":
        return str(value)
    if one in ("day", "week"):
        return f"{one} {value + 1}"
    return f"{value}:00" if one == "hour" else f"{value // 60}:{value % 60:02d}"
