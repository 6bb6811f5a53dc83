"""Results into Parquet tables: ``clip.mp4.faces.parquet``, ``.visits``, ``.spans`` and ``.files`` for each video.

So videos may be done in any order, on any machine, and again; together the files of a kind are one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskinfer.engine.errors import MaskinferError, OutputError
from maskinfer.engine.files.atomic import IsPartial, atomic_write, never_partial
from maskinfer.engine.files.places import make_folder
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.frames.picture import AnyPicture
from maskinfer.engine.results import LABELS, FrameResult, of_record
from maskinfer.engine.sinks.events import EventOptions
from maskinfer.engine.sinks.table import AddFrame
from maskinfer.engine.tables.clock import camera_of, named_begin
from maskinfer.engine.tables.columns import COLUMNS, FACES, FILES, SPANS, SUFFIX, TABLES, VISITS, schema_of
from maskinfer.engine.tables.people import EPOCH, People, Person

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_ROWS_AT_ONCE = 20_000
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ParquetTables:
    """Where the tables of videos go.

    Attributes:
        folder: of all tables.
        name: of the video, below the folder that was read; None for tables of many videos.
        began: when the video's first frame was taken, aware; None to take that from its name.
    """

    folder: Path
    name: Path | None = None
    began: datetime | None = None

    def of(self, name: Path) -> ParquetTables:
        """Return where the tables of one video go."""
        return replace(self, name=name)

    def files(self) -> list[str]:
        """Return the files that appear; of tables of many videos the folder."""
        if self.name is None:
            return [str(self.folder)]
        return [str(self.folder / self.name.with_name(f"{self.name.name}.{table}{SUFFIX}")) for table in TABLES]

    @contextmanager
    def open(self, events: EventOptions, *, is_partial: IsPartial = never_partial) -> Iterator[AddFrame]:
        """Give what takes every frame's results; the files appear when the block ends, and not when it raises.

        Args:
            events: when a label counts for a visit.
            is_partial: asked at the end; see ``atomic_write``.

        Raises:
            OutputError: a file cannot be written.
        """
        name = self.name or Path("results")
        with ExitStack() as stack:
            tables = {
                table: stack.enter_context(_open_table(Path(file), table, is_partial))
                for table, file in zip(TABLES, self.of(name).files(), strict=True)
            }
            began = named_begin(name.name) if self.began is None else self.began
            rows = _Rows(as_text(name), camera_of(name), began, events, tables)
            yield rows.add
            rows.finish()


class _Table:
    """One file that is being written; rows are kept back until there are many."""

    def __init__(self, writer: pq.ParquetWriter, table: str, path: Path) -> None:
        self._writer, self._path, self._schema = writer, path, schema_of(table)
        self._names = [name for name, _ in COLUMNS[table]]
        self._rows: list[Row] = []

    def put(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in self._names)
        arrays = [pa.array(list(values), kind.type) for values, kind in zip(columns, self._schema, strict=True)]
        with _as_output_error(self._path):
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


@contextmanager
def _open_table(path: Path, table: str, is_partial: IsPartial) -> Iterator[_Table]:
    import pyarrow.parquet as pq

    make_folder(path.parent)
    with atomic_write(path, is_partial=is_partial) as part:
        with _as_output_error(path):
            writer = pq.ParquetWriter(part, schema_of(table), compression="zstd")
        try:
            opened = _Table(writer, table, path)
            yield opened
            opened.flush()
        finally:
            with _as_output_error(path):
                writer.close()


@dataclass(slots=True)
class _Rows:
    """Turns the results of one video into rows."""

    name: str
    camera: str
    began: datetime | None
    events: EventOptions
    tables: dict[str, _Table]
    source: str = ""
    frames: int = 0
    faces: int = 0
    visits: int = 0
    last: FrameResult | None = None
    step_s: float = 0.0
    people: People = field(init=False)

    def __post_init__(self) -> None:
        self.people = People(self.name, self.camera, self.events)

    def add(self, _: AnyPicture, result: FrameResult) -> None:
        # Rounded as in lines of JSON, so that tables made of these say the same, also where a label is held for just
        # long enough.
        result = of_record(result.to_dict())
        if self.last is not None:
            self.step_s = result.time_s - self.last.time_s
        self.source, self.last = result.source, result
        self.frames += 1
        self.faces += len(result.faces)
        at = self._at(result.time_s)
        for face in result.faces:
            scores = (face.scores.get(label) for label in LABELS)
            others = [(label, score) for label, score in face.scores.items() if label not in LABELS]
            self._put(
                FACES, result.frame, result.time_s, at, face.track_id, face.label, face.score, *scores,
                face.det_score, *face.xyxy, face.bare, face.sharpness, others or None,
            )  # fmt: skip
        for person in self.people.add(result):
            self._put_person(person)

    def finish(self) -> None:
        for person in self.people.close():
            self._put_person(person)
        if self.last is not None:
            end_s = self.last.time_s + self.step_s
            self._put(FILES, self.began, self.frames, end_s, *self.last.size_wh, self.faces, self.visits)

    def _put(self, table: str, *cells: object) -> None:
        self.tables[table].put((self.name, self.camera, self.source, *cells))

    def _put_person(self, person: Person) -> None:
        visit = person.visit
        self.visits += 1
        span = self._span(visit.first_at, visit.last_at)
        self._put(
            VISITS, visit.id, *span, visit.label, visit.bare, len(visit.violations), list(person.track_ids)
        )  # fmt: skip
        for part in visit.spans:
            best = person.best.get(part.label)
            sight = (None, None, None, None, None, None) if best is None else (best.track_id, best.time_s, *best.xyxy)
            self._put(
                SPANS, visit.id, *self._span(part.from_at, part.to_at), part.label, part.bare, part.score, *sight
            )  # fmt: skip

    def _span(self, from_at: datetime, to_at: datetime) -> Row:
        from_s, to_s = ((at - EPOCH).total_seconds() for at in (from_at, to_at))
        return from_s, to_s, self._at(from_s), self._at(to_s)

    def _at(self, time_s: float) -> datetime | None:
        return None if self.began is None else self.began + timedelta(seconds=time_s)


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except MaskinferError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
