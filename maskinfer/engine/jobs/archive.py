"""Many recorded videos: several at a time, and only those that were not done before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, OutputError, RequestError, SourceError, nothing_begun
from maskinfer.engine.faces.tracker import TrackOptions
from maskinfer.engine.files.atomic import partial_name
from maskinfer.engine.files.listing import IMAGE_SUFFIXES, VIDEO_SUFFIXES, SourceFile, list_files
from maskinfer.engine.files.places import STDOUT, inner_folders, make_folder
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.signals import stop_on_signal
from maskinfer.engine.frames.annotate import PLAIN, Style
from maskinfer.engine.jobs.journal import Journal, job_settings
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.summary import JobSummary, OnResult
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.sinks.audio import FORMATS
from maskinfer.engine.sinks.outputs import Outputs, check_crop_labels, refuse_clear_crops

_POLL_S = 0.5
# As which no folder is named on purpose.
_FILE_SUFFIXES = VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".csv", ".json", ".jsonl", ".log", ".tsv", ".txt"}


@dataclass(frozen=True, slots=True)
class VideoTask:
    """One video of many.

    Attributes:
        source: where it is.
        out: where the annotated one goes.
        outputs: where its results go besides.
    """

    source: Path
    out: Path
    outputs: Outputs

    def files(self) -> list[Path]:
        """Return the files that appear when it is done."""
        return [self.out, *map(Path, self.outputs.files())]


def run_videos(
    engine: Engine,
    sources: Sequence[str],
    out_dir: Path,
    *,
    jobs: int = 1,
    track: TrackOptions | None = None,
    style: Style = PLAIN,
    outputs: Outputs | None = None,
    on_result: OnResult | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> JobSummary:
    """Turn many recorded videos into annotated ones, leaving out those that are done.

    What is done is noted in ``.maskinfer-done.jsonl`` in ``out_dir``, by the content of the source (BLAKE2b), the
    contracts of the models and every setting that the results depend on; a video is left out when all that its job
    wrote is still there in the same sizes. So a job that was stopped goes on where it was, also in a folder that was
    moved. What other settings made is replaced only if that is asked for.

    Args:
        engine: finds and labels; all jobs share its models, whose faces of several videos then run side by side.
        sources: files, folders (with their sub-folders) and glob patterns.
        out_dir: for the annotated videos, under their names below the folder that was named; a container that is not
            written becomes ``NAME.mp4``.
        jobs: how many videos at a time.
        track: how faces are followed; None for faces on their own.
        style: how frames are annotated.
        outputs: whose files are folders here, with a file for each video.
        on_result: called with the result of each frame that was written, from several threads.
        overwrite: replace files that were made with other settings, or that no job made.
        progress: told how many videos there are and have been done, and which files of folders were left out.

    Returns:
        The summary of all; a video that cannot be read is among its problems, and the others are done.

    Raises:
        SourceNotFoundError: nothing matches. RequestError: outputs would overwrite something: inputs, one another, or,
        without ``overwrite``, files of other settings. OutputError: ``out_dir`` cannot be made.
    """
    refuse_clear_crops(outputs, style)
    check_crop_labels(outputs, engine.classifier)
    folders = _folders(out_dir, outputs or Outputs())
    without = inner_folders(folders, sources)
    files = list_files(sources, VIDEO_SUFFIXES, "video", progress.say, without=without)
    tasks = plan_videos(files, out_dir, outputs or Outputs(), [one for one in sources if Path(one).is_dir()])
    with nothing_begun():
        for folder in folders:
            make_folder(folder)
        journal = Journal(out_dir, job_settings(engine, track, style, outputs))
    if not overwrite:
        journal.refuse_replacing(tasks)
    total = JobSummary()
    recover_videos([task.out for task in tasks], progress.say)
    progress.set_total(len(tasks))
    with stop_on_signal() as stopped, ThreadPoolExecutor(jobs, "video") as pool:

        def run(task: VideoTask) -> JobSummary:
            if stopped():
                return JobSummary()
            key = journal.key(task)
            problems = journal.problems_of(key, task)
            if problems is not None:
                return JobSummary(problems=problems, skipped=1)
            try:
                journal.begin(key, task)
            except OutputError as error:
                return JobSummary(problems=[str(error)])
            summary = _run_one(engine, task, track, style, on_result, stopped)
            if summary.frames and not summary.signal:
                try:
                    journal.note(key, task, summary.problems)
                except OutputError as error:
                    summary.problems.append(str(error))
                for file in task.files():  # of an earlier job that was stopped
                    partial_name(file).unlink(missing_ok=True)
            return summary

        waiting = [pool.submit(run, task) for task in tasks]
        while waiting:
            # With a time-out, so that a signal is seen while all wait.
            done, _ = wait(waiting, _POLL_S, FIRST_COMPLETED)
            for future in (one for one in waiting if one in done):
                total.merge(future.result())
                progress.advance()
            waiting = [one for one in waiting if one not in done]
        total.signal = stopped()
    return total


def plan_videos(
    files: Sequence[SourceFile], out_dir: Path, outputs: Outputs, folders: Sequence[str] = ()
) -> list[VideoTask]:
    """Give each video its outputs.

    Args:
        files: the videos.
        out_dir: for the annotated ones.
        outputs: whose files are folders.
        folders: that were read; crops may not go there.

    Raises:
        RequestError: an output would overwrite a source or another output, goes to standard output, or to what is named
            as a file is.
    """
    for folder in _folders(out_dir, outputs):
        if folder != outputs.crops and folder.suffix.lower() in _FILE_SUFFIXES and not folder.is_dir():
            raise RequestError(f"{folder} is named as a file, but there may be several videos: name a folder")
    tasks: dict[Path, VideoTask] = {}
    for file in files:
        relative = file.relative
        is_written = relative.suffix.lower() in FORMATS
        out = out_dir / (relative if is_written else relative.with_name(f"{relative.name}.mp4"))
        if out in tasks:
            raise RequestError(f"{file.path} and {tasks[out].source} would both be written to {out}")
        tasks[out] = VideoTask(file.path, out, _outputs_of(outputs, relative))
    written = [one for task in tasks.values() for one in task.files()]
    crops = Outputs(crops=outputs.crops)
    crops.check([*(file.path for file in files), *folders], written, stoppable=True)
    return list(tasks.values())


def _folders(out_dir: Path, outputs: Outputs) -> list[Path]:
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
    return replace(outputs, jsonl=inside(outputs.jsonl, ".jsonl"), csv=inside(outputs.csv, ".csv"), events=events)


def _run_one(
    engine: Engine,
    task: VideoTask,
    track: TrackOptions | None,
    style: Style,
    on_result: OnResult | None,
    stopped: Callable[[], int],
) -> JobSummary:
    try:
        for file in task.files():
            make_folder(file.parent)
        return run_video(
            engine, str(task.source), task.out,
            track=track, style=style, outputs=task.outputs, on_result=on_result, stopped=stopped,
        )  # fmt: skip
    except SourceError as error:
        return JobSummary(problems=[str(error)])
    except MaskinferError as error:  # of one video only, such as a folder in the place of its output
        return JobSummary(problems=[f"{task.source}: {error}"])
