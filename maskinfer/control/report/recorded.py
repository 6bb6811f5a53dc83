"""Reports on recorded results: the JSON Lines of ``video`` and ``archive`` become visits in a store of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from maskinfer.control.report.words import NOT_RECORDED
from maskinfer.control.store.retention import Kept, Retention
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.files.jsonl import read_results, read_stamped
from maskinfer.engine.files.scratch import scratch_folder
from maskinfer.engine.results import FrameResult
from maskinfer.engine.tables.clock import named_begin
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules

Clock = Literal["wall", "recording"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = timedelta(microseconds=1)  # the end of a period is not in it
_FOREVER = Kept(None, None, None)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was made of recorded results.

    Attributes:
        store: their visits, without pictures.
        clock: whether its times are those on the wall; see ``Report.clock``.
        from_at, to_at: when the first recording began and the last one ended.
    """

    store: Store
    clock: Clock
    from_at: datetime
    to_at: datetime


@dataclass(slots=True)
class _Recording:
    book: VisitBook
    began: datetime
    last_at: datetime


@contextmanager
def open_recorded(
    files: Sequence[Path], *, began: datetime | None = None, rules: VisitRules | None = None
) -> Iterator[Recorded]:
    """Give a store of the visits in recorded results, which is gone when the block ends.

    Each source is a camera. Its times are those on the wall if it is known when it began: from ``began``, from the time
    that ``stream`` writes on each line, or from the name of a recording such as ``door-20261125T191500.mp4``. If it is
    not known of all sources, the times of all count from their begin (``recording``).

    Args:
        files: JSON Lines of ``maskinfer``, of tracked faces.
        began: when every source began; aware.
        rules: when something counts; None for the defaults.

    Raises:
        SourceNotFoundError: a file is not there.
        SourceError: a file holds no results, or a line of it is none.
        RequestError: the faces were not tracked.
        OutputError: the store cannot be written.
    """
    begins = _begins_of(files, began)
    clock: Clock = "recording" if None in begins.values() else "wall"
    with scratch_folder("report") as folder:
        retention = Retention(_FOREVER, _FOREVER, _FOREVER)
        with Store.open(folder, retention=retention) as store:
            known = {source: at if at is not None and clock == "wall" else EPOCH for source, at in begins.items()}
            is_wall = clock == "wall" and began is None
            to_at = _fill(store, files, known, rules or VisitRules(pictures=False), is_wall=is_wall)
            store.flush()
            yield Recorded(store, clock, min(known.values()), to_at)


def _begins_of(files: Sequence[Path], began: datetime | None) -> dict[str, datetime | None]:
    """Return when each source began, None where that is not known."""
    begins: dict[str, datetime | None] = {}
    for file in files:
        for result, at in read_stamped(file):
            if result.source not in begins:
                stamped = None if at is None else at - timedelta(seconds=result.time_s)
                begins[result.source] = began or stamped or named_begin(result.source)
    if not begins:
        raise SourceError(f"there are no results in {', '.join(map(str, files)) or 'no file'}")
    return begins


def _fill(
    store: Store, files: Sequence[Path], begins: dict[str, datetime], rules: VisitRules, *, is_wall: bool
) -> datetime:
    """Write the visits of all files; returns when the last recording ended."""
    recordings = {
        source: _Recording(VisitBook(source, rules, f"{number:08x}"), began, began)
        for number, (source, began) in enumerate(begins.items(), 1)
    }
    for source, recording in recordings.items():
        store.camera_event(source, "connected", recording.began, "")
    for file in files:
        for result, at in read_stamped(file):
            _add(store, recordings[result.source], result, at if is_wall else None)
    for source, recording in recordings.items():
        for change in recording.book.close(recording.last_at):
            store.add(change)
        store.camera_event(source, "stopped", recording.last_at + _MOMENT, NOT_RECORDED)
    return max(recording.last_at for recording in recordings.values()) + _MOMENT


def _add(store: Store, recording: _Recording, result: FrameResult, at: datetime | None) -> None:
    at = recording.began + timedelta(seconds=result.time_s) if at is None else at
    recording.last_at = max(recording.last_at, at)
    if any(face.track_id is None for face in result.faces):
        raise RequestError(
            f"the faces of {result.source} were not followed, so they make no visits: run it without --no-track"
        )
    for change in recording.book.add(None, result, recording.last_at):
        if change.kind == "ended":  # it says all that the ones before it said
            store.add(change)


def named_results(
    places: Sequence[Path], on_status: Callable[[str], None] = lambda line: None
) -> list[tuple[Path, Path]]:
    """Return the JSON Lines files of places, each with its path below the folder that was named, or its name."""
    return [
        (file, file.relative_to(place) if place.is_dir() else Path(file.name))
        for place in places
        for file in result_files([place], on_status)
    ]


def result_files(places: Sequence[Path], on_status: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Return the JSON Lines files of places: files as they are, folders with all results that lie below them.

    Args:
        places: files and folders.
        on_status: called with a line for each file of a folder that is left out, since it holds no results.

    Raises:
        SourceNotFoundError: there is no such place, or a folder holds none.
    """
    found: list[Path] = []
    for place in places:
        inside = _files_in(place, on_status) if place.is_dir() else [place] if place.is_file() else []
        if not inside:
            raise SourceNotFoundError(
                f"there is neither a store nor a .jsonl file of results in {place}: expected the folder that maskinfer "
                "serve writes to, or results that maskinfer video wrote with --jsonl"
            )
        found += inside
    return found


def _files_in(folder: Path, on_status: Callable[[str], None]) -> list[Path]:
    files = []
    for file in sorted(folder.rglob("*.jsonl")):
        try:
            if not file.name.startswith(".") and next(read_results(file), None) is not None:
                files.append(file)
        except SourceError:
            on_status(f"{file} holds no results and is left out")
    return files
