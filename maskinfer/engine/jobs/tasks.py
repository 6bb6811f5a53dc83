"""The videos of an archive, each with its outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.listing import IMAGE_SUFFIXES, VIDEO_SUFFIXES, SourceFile
from maskinfer.engine.files.places import STDOUT
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sinks.outputs import Outputs

SizeOf = Callable[[Path], int | None]
"""Returns the size of a file in bytes; None when it is not there."""
# As which no folder is named on purpose.
_FILE_SUFFIXES = VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".csv", ".json", ".jsonl", ".log", ".parquet", ".tsv", ".txt"}


@dataclass(frozen=True, slots=True)
class VideoTask:
    """One video of many.

    Attributes:
        source: where it is.
        out: where the annotated one goes.
        outputs: where its results go besides.
        name: what the source is called; None for its path.
        encoding: how the annotated one is made.
    """

    source: Path
    out: Path
    outputs: Outputs
    name: str | None = None
    encoding: Encoding = PLAIN_ENCODING

    @property
    def shown_as(self) -> str:
        """What the source is called in results and messages."""
        return as_text(self.source) if self.name is None else self.name

    def files(self, size_of: SizeOf | None = None) -> list[Path]:
        """Return the files that appear when it is done.

        Args:
            size_of: tells by whether there is one if the copy is a .mkv, or the file as it is; None for a .mkv.
        """
        out, plain = self.out, self.encoding.as_it_is(self.out, self.source)
        if size_of is not None and plain is not None and size_of(out) is None and size_of(plain) is not None:
            out = plain
        return [out, *self.encoding.sidecars(self.out), *map(Path, self.outputs.files())]


def plan_videos(
    files: Sequence[SourceFile],
    out_dir: Path,
    outputs: Outputs,
    folders: Sequence[str] = (),
    encoding: Encoding = PLAIN_ENCODING,
) -> list[VideoTask]:
    """Give each video its outputs.

    Args:
        files: the videos.
        out_dir: for the annotated ones.
        outputs: whose files are folders.
        folders: that were read; crops may not go there.
        encoding: how the annotated ones are made.

    Raises:
        RequestError: an output would overwrite a source or another output, goes to standard output, or to what is named
            as a file is.
    """
    for folder in output_folders(out_dir, outputs):
        if folder != outputs.crops and folder.suffix.lower() in _FILE_SUFFIXES and not folder.is_dir():
            raise RequestError(f"{folder} is named as a file, but there may be several videos: name a folder")
    tasks: dict[Path, VideoTask] = {}
    for file in files:
        relative = file.relative
        out = out_dir / encoding.name_of(relative)
        if out in tasks:
            raise RequestError(f"{file.path} and {tasks[out].source} would both be written to {out}")
        tasks[out] = VideoTask(file.path, out, _outputs_of(outputs, relative), encoding=encoding)
    written = [one for task in tasks.values() for one in task.files()]
    written += [one for task in tasks.values() if (one := encoding.as_it_is(task.out, task.source)) is not None]
    crops = Outputs(crops=outputs.crops)
    crops.check([*(file.path for file in files), *folders], written, stoppable=True)
    return list(tasks.values())


def output_folders(out_dir: Path, outputs: Outputs) -> list[Path]:
    """Return the folders that outputs go to."""
    return [out_dir, *map(Path, outputs.files()), *([] if outputs.crops is None else [outputs.crops])]


def _outputs_of(outputs: Outputs, relative: Path) -> Outputs:
    def inside(folder: str | None, suffix: str) -> str | None:
        if folder == STDOUT:
            raise RequestError("the results of several videos cannot go to standard output: name a folder")
        return None if folder is None else str(Path(folder) / relative.with_name(relative.name + suffix))

    events = outputs.events
    if events is not None:
        events = replace(events, file=inside(events.file, ".events.jsonl"))
    return replace(
        outputs,
        jsonl=inside(outputs.jsonl, ".jsonl"),
        csv=inside(outputs.csv, ".csv"),
        events=events,
        tables=None if outputs.tables is None else outputs.tables.of(relative),
    )
