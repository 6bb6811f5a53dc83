"""Where the videos of an archive are and where their outputs go, by path or URL, as tasks that a journal knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from maskinfer.cluster.jobs import OutFile
from maskinfer.cluster.storage import below, files_below, is_remote, matching, real_place, shown
from maskinfer.engine.errors import RequestError, SourceNotFoundError
from maskinfer.engine.files.listing import VIDEO_SUFFIXES, SourceFile, list_files
from maskinfer.engine.files.places import inner_folders, make_folder
from maskinfer.engine.files.urls import public_name
from maskinfer.engine.jobs.journal import size_on_disk
from maskinfer.engine.jobs.tasks import VideoTask, plan_videos
from maskinfer.engine.sinks.copies.encoding import Encoding
from maskinfer.engine.sinks.outputs import Outputs

KINDS = ("video", "jsonl", "csv", "events", "crops", "tables")
# These are made of files that are not text, by code that knows paths only.
_PATHS_ONLY = {"crops": "--crops", "tables": "--parquet"}


@dataclass(frozen=True)
class Roots:
    """The folders that outputs go to.

    Attributes:
        places: as they were named, by kind.
        stand_in: folder of this machine below which those that are URLs have paths, which are never made.
    """

    places: Mapping[str, str]
    stand_in: Path

    @staticmethod
    def of(out: str, outputs: Outputs, stand_in: Path) -> Roots:
        """Return the folders of a request."""
        events = None if outputs.events is None else outputs.events.file
        crops = None if outputs.crops is None else str(outputs.crops)
        tables = None if outputs.tables is None else outputs.tables.files()[0]
        named = dict(zip(KINDS, (out, outputs.jsonl, outputs.csv, events, crops, tables), strict=True))
        for kind, option in _PATHS_ONLY.items():
            if re.match(r"[a-z0-9+]{2,}:/", named[kind] or ""):
                raise RequestError(f"{option} goes into a folder that all machines share, not to a URL")
        return Roots({kind: place for kind, place in named.items() if place is not None}, stand_in)

    def path(self, kind: str) -> Path:
        """Return the path of a folder, or what stands in for it."""
        place = self.places[kind]
        return self.stand_in / kind if is_remote(place) else Path(place)

    def outputs(self, outputs: Outputs) -> Outputs:
        """Return the outputs by such paths."""
        events = outputs.events
        if events is not None and events.file is not None:
            events = replace(events, file=str(self.path("events")))
        jsonl, csv = (str(self.path(kind)) if kind in self.places else None for kind in ("jsonl", "csv"))
        crops = self.path("crops") if "crops" in self.places else None
        return replace(
            outputs, jsonl=jsonl, csv=csv, crops=crops, events=events
        )  # fmt: skip

    def files(self, task: VideoTask) -> tuple[OutFile, ...]:
        """Return the outputs of a task."""
        events = None if task.outputs.events is None else task.outputs.events.file
        copies = [("video", str(file)) for file in (task.out, *task.encoding.sidecars(task.out))]
        tables = [] if task.outputs.tables is None else [("tables", file) for file in task.outputs.tables.files()]
        at = [*copies, ("jsonl", task.outputs.jsonl), ("csv", task.outputs.csv), ("events", events), *tables]
        named = [(kind, Path(path).relative_to(self.path(kind)).as_posix()) for kind, path in at if path]
        files = [self._file(kind, name) for kind, name in named]
        if "crops" in self.places:
            place = self.places["crops"]
            files.append(OutFile("crops", ".", real_place(place), shown(place)))
        return tuple(files)

    def _file(self, kind: str, name: str) -> OutFile:
        place = below(self.places[kind], name)
        return OutFile(kind, name, real_place(place), shown(place))

    def make(self) -> None:
        """Make the folders of this machine's among them.

        Raises:
            OutputError: one cannot be made.
        """
        for place in self.places.values():
            if not is_remote(place):
                make_folder(Path(place))
        self.path("video").mkdir(parents=True, exist_ok=True)

    @cached_property
    def _there(self) -> dict[Path, int]:
        return {
            self.path(kind) / name: size
            for kind, place in self.places.items()
            if is_remote(place) and kind != "crops"
            for name, size in files_below(place).items()
        }

    def size_of(self, path: Path) -> int | None:
        """Return the size of an output, which for a URL is what it was at the first question; None if it is not there.

        Raises:
            SourceError: a folder cannot be listed.
        """
        return self._there.get(path) if path.is_relative_to(self.stand_in) else size_on_disk(path)


@dataclass(frozen=True, slots=True)
class Planned:
    """A video with its outputs.

    Attributes:
        task: by paths, which stand in for URLs.
        place: where it is.
        size: in bytes.
        relative: its name below the folder that was read.
    """

    task: VideoTask
    place: str
    size: int
    relative: str


def plan(
    sources: Sequence[str], roots: Roots, outputs: Outputs, encoding: Encoding, say: Callable[[str], None]
) -> list[Planned]:
    """Return the videos that paths, folders, patterns and URLs mean, the longest files first.

    Raises:
        SourceNotFoundError: nothing matches. RequestError: an output would overwrite something.
    """
    local = [source for source in sources if not is_remote(source)]
    remote = [source for source in sources if is_remote(source)]
    out, results = roots.path("video"), roots.outputs(outputs)
    files: list[SourceFile] = []
    places: dict[Path, tuple[str, int]] = {}
    if local:
        without = inner_folders([roots.path(kind) for kind in roots.places], local)
        files = list_files(local, VIDEO_SUFFIXES, "video", say, without=without)
        places = {file.path: (str(file.path), file.path.stat().st_size) for file in files}
    for number, source in enumerate(remote):
        for name, (place, size) in _videos_at(source, roots).items():
            file = SourceFile(roots.stand_in / "sources" / str(number) / name, Path(name))
            files.append(file)
            places[file.path] = place, size
    tasks = plan_videos(files, out, results, [one for one in local if Path(one).is_dir()], encoding)
    relative = {file.path: file.relative.as_posix() for file in files}
    planned = []
    for task in tasks:
        place, size = places[task.source]
        name = shown(place) if is_remote(place) else public_name(place)
        _refuse_itself(place, roots.files(task))
        planned.append(Planned(replace(task, name=name), real_place(place), size, relative[task.source]))
    return sorted(planned, key=lambda one: -one.size)


def _videos_at(source: str, roots: Roots) -> dict[str, tuple[str, int]]:
    """Return the places and sizes of the videos at a URL, by their names below it."""
    if "*" in source:
        files = {PurePosixPath(place).name: (place, 0) for place in matching(source)}
    else:
        found = files_below(source)
        is_file = list(found) == [PurePosixPath(source.partition("?")[0]).name]
        files = {name: (source if is_file else below(source, name), size) for name, size in found.items()}
    within = [f"{place.rstrip('/')}/" for place in roots.places.values() if place.rstrip("/") != source.rstrip("/")]
    videos = {
        name: (place, size)
        for name, (place, size) in files.items()
        if PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES and not place.startswith(tuple(within))
    }
    if not videos:
        raise SourceNotFoundError(
            f"{shown(source)} holds no video: expected files ending in {' '.join(sorted(VIDEO_SUFFIXES))}"
        )
    return videos


def _refuse_itself(place: str, files: Sequence[OutFile]) -> None:
    if is_remote(place) and any(file.place == place for file in files):
        raise RequestError(f"{shown(place)} is an input and would be overwritten: name another output")
