"""What goes between the command and the machines that work for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maskinfer.cluster.pieces import Piece
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.jobs.entry import Entry
from maskinfer.engine.sinks.copies.encoding import Encoding
from maskinfer.engine.sinks.outputs import Outputs


@dataclass(frozen=True, slots=True)
class Setup:
    """What all videos of an archive have in common.

    Attributes:
        models: arguments of ``engine.load.load``.
        models_digest: of the models, which each machine calculates anew.
        track, style, encoding, outputs: as of ``run_videos``; of the outputs only what is no file.
        records: folder of the lines about single videos.
        pieces: folder of what the models said of pieces.
        piece_s: how long a piece is, in seconds; None for no pieces.
        gpus: share of a GPU that a worker needs.
        workers: at most so many; None for one a core.
        model_files: bytes of models that are not shipped with maskinfer; see ``models.Models``.
    """

    models: Mapping[str, Any]
    models_digest: str
    track: TrackOptions | None
    style: Style
    encoding: Encoding
    outputs: Outputs
    records: str
    pieces: str
    piece_s: float | None
    gpus: float = 0.0
    workers: int | None = None
    model_files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutFile:
    """One output of a video.

    Attributes:
        kind: ``video`` of the annotated copy and, after it, of what stands beside it; ``jsonl``, ``csv``, ``events``
            or ``tables``; or ``crops``, which is a folder.
        name: of it in a folder of its kind.
        place: where it belongs.
        shown: the same as the user named it.
    """

    kind: str
    name: str
    place: str
    shown: str


@dataclass(frozen=True, slots=True)
class Job:
    """One video, or a piece of one.

    Attributes:
        id: its number.
        source: place of the video.
        name: what it is called.
        relative: its name below the folder that was read, with slashes.
        entry: what the journal's lines about it have in common.
        done_as: its key if it was done before and its outputs are there.
        files: its outputs.
        may_split: whether it may be looked at in pieces.
        piece: the piece that is to be looked at; None for the whole.
        pieces: that have been looked at.
        avoid: nodes on which an attempt failed.
    """

    id: int
    source: str
    name: str
    relative: str
    entry: Entry
    done_as: str | None
    files: tuple[OutFile, ...]
    may_split: bool = True
    piece: Piece | None = None
    pieces: tuple[Piece, ...] = ()
    avoid: frozenset[str] = frozenset()


@dataclass(slots=True)
class Outcome:
    """What became of a job.

    Attributes:
        key: what the video is known by.
        line: for the journal, when it is done.
        problems: a line for each thing that was wrong with the video.
        was_done: it was done before.
        split: the pieces that it is to be looked at in.
        failure: why nothing came of it, which another attempt may change.
        is_full: it failed because a disk of the node is full.
        warnings: what was logged.
        frames, film_s: that were looked at, and until when, in seconds.
        faces: for each label.
        node: where.
        hits, misses: what was known of pieces, and what was not.
        cpu_s: processor time.
    """

    key: str = ""
    line: Mapping[str, Any] | None = None
    problems: list[str] = field(default_factory=list)
    was_done: bool = False
    split: tuple[Piece, ...] = ()
    failure: str | None = None
    is_full: bool = False
    warnings: list[str] = field(default_factory=list)
    frames: int = 0
    film_s: float = 0.0
    faces: dict[str, int] = field(default_factory=dict)
    node: str = ""
    hits: int = 0
    misses: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Beat:
    """How far a worker is with its job.

    Attributes:
        ticks: grows as long as anything goes on.
        frames, faces: that were looked at.
        film_s: presentation time of the last frame.
    """

    ticks: int = 0
    frames: int = 0
    faces: int = 0
    film_s: float = 0.0
