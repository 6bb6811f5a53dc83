"""One attempt at a video, or at a piece of one, on whatever machine this is.

All is written into a folder of this machine first, and copied to its place when it is whole. So an attempt that ends
in the middle leaves nothing in the place of outputs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskinfer.cluster.jobs import Beat, Job, Outcome, OutFile, Setup
from maskinfer.cluster.memo import Memo
from maskinfer.cluster.pieces import Joined, look_at, plan_pieces
from maskinfer.cluster.storage import below, fetch, is_remote, publish, publish_text, read_bytes, remove
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OUT_OF_SPACE, MaskinferError, SourceError
from maskinfer.engine.files.places import make_folder
from maskinfer.engine.files.scratch import scratch_folder
from maskinfer.engine.jobs.entry import video_key
from maskinfer.engine.jobs.summary import JobSummary
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.copies.encoding import Encoding
from maskinfer.engine.sinks.outputs import Outputs
from maskinfer.engine.tables.write import ParquetTables


class Meter:
    """Counts what a worker does; read from another thread."""

    def __init__(self) -> None:
        self.beat = Beat()

    def tick(self) -> None:
        """Note that something goes on."""
        self.beat = replace(self.beat, ticks=self.beat.ticks + 1)

    def add(self, result: FrameResult) -> None:
        """Count a frame."""
        now = self.beat
        self.beat = Beat(now.ticks + 1, now.frames + 1, now.faces + len(result.faces), result.time_s)


def attempt(engine: Engine, setup: Setup, job: Job, meter: Meter) -> Outcome:
    """Do a job as far as it can be done; whatever is wrong is in the outcome."""
    outcome, began_s = Outcome(), time.process_time()
    try:
        with _warnings(outcome.warnings), scratch_folder() as scratch:
            _attempt(engine, setup, job, meter, scratch, outcome)
    except (MaskinferError, OSError) as error:
        outcome.is_full = _is_full(error)
        reason = str(error) if isinstance(error, MaskinferError) else f"{error.strerror or error}"
        is_ours = isinstance(error, SourceError) and job.name in reason
        outcome.failure = reason if is_ours else f"{job.name}: {reason}"
    outcome.cpu_s = time.process_time() - began_s
    return outcome


def _attempt(engine: Engine, setup: Setup, job: Job, meter: Meter, scratch: Path, outcome: Outcome) -> None:
    video = _video(job, scratch, meter)
    outcome.key = video_key(job.entry.settings, job.entry.place, video, meter.tick)
    if outcome.key and outcome.key == job.done_as:
        outcome.was_done = True
    elif (line := _line_left(setup, job, outcome.key)) is not None:
        _take_line(line, outcome)
    elif job.piece is not None:
        _look_at_piece(engine, setup, job, meter, scratch, video, outcome)
    elif job.may_split and setup.piece_s is not None and (pieces := plan_pieces(video, setup.piece_s, meter.tick)):
        outcome.split = tuple(pieces)
    else:
        _do(engine, setup, job, meter, scratch, video, outcome)


def _line_left(setup: Setup, job: Job, key: str) -> dict[str, Any] | None:
    """Return the line that another attempt left that came to its end although nobody heard of it any more."""
    left = read_bytes(below(setup.records, record_name(job.entry.place)))
    try:
        line: dict[str, Any] = json.loads(left or b"{}")
    except ValueError:
        return None
    return line if "sizes" in line and line.get("key") == key else None


def _take_line(line: dict[str, Any], outcome: Outcome) -> None:
    outcome.line, outcome.problems = line, list(line["problems"])
    outcome.frames, outcome.faces, outcome.film_s = line["frames"], line["faces"], line["film_s"]


def _video(job: Job, scratch: Path, meter: Meter) -> Path:
    if not is_remote(job.source):
        return Path(job.source)
    copy = scratch / f"source{Path(job.name).suffix}"
    fetch(job.source, copy, meter.tick)
    return copy


def _look_at_piece(
    engine: Engine, setup: Setup, job: Job, meter: Meter, scratch: Path, video: Path, outcome: Outcome
) -> None:
    piece = job.piece
    if piece is None:
        return
    place = below(setup.pieces, piece_name(outcome.key, piece.number))
    if read_bytes(place) is None:
        file = scratch / "piece.npz"
        look_at(engine, video, piece, setup.track, meter.add).save(file)
        publish(file, place, meter.tick)
    outcome.frames, outcome.film_s = meter.beat.frames, piece.end_s - piece.start_s


def piece_name(key: str, number: int) -> str:
    """Return the name of the file of what the models said of a piece of a video that is known by a key."""
    return f"{key}-{number:05d}.npz"


def _do(engine: Engine, setup: Setup, job: Job, meter: Meter, scratch: Path, video: Path, outcome: Outcome) -> None:
    written = {file: scratch / file.kind / file.name for file in job.files}
    for path in written.values():
        make_folder(path.parent)
    joined = Joined(job.pieces, lambda number: _memo(setup, outcome.key, number, scratch)) if job.pieces else None

    def on_result(result: FrameResult) -> None:
        meter.add(result)
        if joined is not None:
            joined.reach(result.time_s)

    at: dict[str, Path] = {}
    for file, path in written.items():
        at.setdefault(file.kind, path)
    outputs = _outputs(setup.outputs, at, scratch, Path(job.relative))
    summary = run_video(
        engine if joined is None else joined.engine(engine), video, at["video"],
        track=setup.track, style=setup.style, encoding=setup.encoding, outputs=outputs,
        on_result=on_result, stopped=lambda: 0, name=job.name, or_as_it_is=True,
    )  # fmt: skip
    written = dict(_as_written(file, path, setup.encoding, video) for file, path in written.items())
    summary.problems = [_shown(problem, written) for problem in summary.problems]
    if joined is not None:
        outcome.hits, outcome.misses = joined.hits, joined.misses
    _publish(setup, job, meter, written, summary, outcome)
    outcome.problems, outcome.frames = summary.problems, summary.frames
    outcome.faces, outcome.film_s = dict(summary.faces), summary.film_s
    for piece in job.pieces:
        remove(below(setup.pieces, piece_name(outcome.key, piece.number)))


def _as_written(file: OutFile, path: Path, encoding: Encoding, video: Path) -> tuple[OutFile, Path]:
    """Return an output and where it was written; an overlay's copy may be the file as it is, of another suffix."""
    plain = encoding.as_it_is(path, video)
    if file.kind != "video" or plain is None or path.exists():
        return file, path
    own = {name: getattr(file, name).removesuffix(path.suffix) + plain.suffix for name in ("name", "place", "shown")}
    return replace(file, **own), plain


def _outputs(outputs: Outputs, at: dict[str, Path], scratch: Path, relative: Path) -> Outputs:
    def text(kind: str) -> str | None:
        return str(at[kind]) if kind in at else None

    events = outputs.events
    if events is not None:
        events = replace(events, file=text("events"))
    tables = outputs.tables
    if isinstance(tables, ParquetTables):
        tables = replace(tables, folder=scratch / "tables", name=relative)
    return replace(
        outputs, jsonl=text("jsonl"), csv=text("csv"), crops=at.get("crops"), events=events, tables=tables
    )  # fmt: skip


def _memo(setup: Setup, key: str, number: int, scratch: Path) -> Memo:
    file = scratch / "pieces" / f"{number}.npz"
    make_folder(file.parent)
    place = below(setup.pieces, piece_name(key, number))
    # Without it the models run again.
    with suppress(SourceError):
        if not is_remote(place):
            return Memo.load(Path(place))
        fetch(place, file, lambda: None)
        return Memo.load(file)
    return Memo()


def _publish(
    setup: Setup, job: Job, meter: Meter, written: dict[OutFile, Path], summary: JobSummary, outcome: Outcome
) -> None:
    """Copy what was written to its place, between the lines that say that it is begun and done."""
    record = below(setup.records, record_name(job.entry.place))
    begun = job.entry.begun(outcome.key)
    publish_text(json.dumps(begun, ensure_ascii=False), record)
    sizes: dict[str, int | None] = {}
    for file, path in written.items():
        if file.kind == "crops":
            for crop in sorted(path.iterdir()):
                publish(crop, below(file.place, crop.name), meter.tick)
            continue
        if file.kind == "events":
            _name_crops(path, written)
        publish(path, file.place, meter.tick)
        sizes[Path(file.name).name] = path.stat().st_size
    outcome.line = job.entry.done(outcome.key, sizes, summary, begun.get("made", {}))
    publish_text(json.dumps(outcome.line, ensure_ascii=False), record)


def record_name(place: str) -> str:
    """Return the name of the file of the line about the video with an annotated copy at a place."""
    return f"{hashlib.blake2b(place.encode(), digest_size=16).hexdigest()}.json"


def _name_crops(events: Path, written: dict[OutFile, Path]) -> None:
    """Write the places of crops into records of events, instead of those where they were at first."""
    crops = next(((file, path) for file, path in written.items() if file.kind == "crops"), None)
    if crops is None:
        return
    lines = []
    for line in events.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record.get("crop"):
            record["crop"] = below(crops[0].shown, Path(record["crop"]).name)
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    events.write_text("".join(lines), encoding="utf-8")


def _shown(problem: str, written: dict[OutFile, Path]) -> str:
    for file, path in written.items():
        problem = problem.replace(str(path), file.shown)
    return problem


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in OUT_OF_SPACE:
            return True
        error = error.__cause__
    return False


@contextmanager
def _warnings(lines: list[str]) -> Iterator[None]:
    """Collect what maskinfer logs."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log, handler = logging.getLogger("maskinfer"), Collect(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
