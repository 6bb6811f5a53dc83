"""Many recorded videos: several at a time, and only those that were not done before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, OutputError, SourceError, nothing_begun
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.files.atomic import partial_name
from maskinfer.engine.files.listing import VIDEO_SUFFIXES, list_files
from maskinfer.engine.files.places import inner_folders, make_folder
from maskinfer.engine.flow.meter import Meter
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.signals import stop_on_signal
from maskinfer.engine.frames.annotate import PLAIN, Style
from maskinfer.engine.jobs.journal import Journal, job_settings, size_on_disk
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.summary import JobSummary, OnResult
from maskinfer.engine.jobs.tasks import VideoTask, output_folders, plan_videos
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sinks.outputs import Outputs, check_crop_labels, check_style_labels, refuse_clear_crops

_POLL_S = 0.5
Stopped = Callable[[], int]


class Executor(Protocol):
    """Does the videos of an archive, somewhere."""

    def __call__(self, tasks: Sequence[VideoTask], stopped: Stopped, /) -> Iterator[JobSummary]:
        """Yield a summary for each video that is done, was done before or failed, as they come.

        Args:
            tasks: the videos.
            stopped: returns the number of a signal that ends the job, or 0; what was not begun then is left.
        """
        ...


def run_videos(
    engine: Engine,
    sources: Sequence[str],
    out_dir: Path,
    *,
    jobs: int = 1,
    track: TrackOptions | None = None,
    style: Style = PLAIN,
    encoding: Encoding = PLAIN_ENCODING,
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
            written becomes ``NAME.mp4``, an overlay ``NAME.mkv``.
        jobs: how many videos at a time.
        track: how faces are followed; None for faces on their own.
        style: how frames are annotated.
        encoding: how the annotated videos are made.
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
    check_style_labels(style, engine.classifier.contract.labels)
    check_crop_labels(outputs, engine.classifier)
    folders = output_folders(out_dir, outputs or Outputs())
    without = inner_folders(folders, sources)
    files = list_files(sources, VIDEO_SUFFIXES, "video", progress.say, without=without)
    tasks = plan_videos(files, out_dir, outputs or Outputs(), [one for one in sources if Path(one).is_dir()], encoding)
    with nothing_begun():
        for folder in folders:
            make_folder(folder)
        journal = Journal(out_dir, job_settings(engine, track, style, outputs, encoding=encoding))
    if not overwrite:
        journal.refuse_replacing(tasks)
    recover_videos([task.out for task in tasks], progress.say)
    sizes = {task.out: size_on_disk(task.source) or 0 for task in tasks}
    meter = Meter(sum(sizes.values()), len(tasks))

    def do(task: VideoTask, stopped: Stopped) -> JobSummary:
        with meter.file(sizes[task.out]) as watch:

            def on_each(result: FrameResult) -> None:
                watch(result.time_s, len(result.faces))
                meter.tell(progress)
                if on_result is not None:
                    on_result(result)

            return run(task, on_each, stopped)

    def run(task: VideoTask, on_result: OnResult, stopped: Stopped) -> JobSummary:
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
                journal.note(key, task, summary)
            except OutputError as error:
                summary.problems.append(str(error))
            for file in task.files():  # of an earlier job that was stopped
                partial_name(file).unlink(missing_ok=True)
        return summary

    return run_tasks(tasks, in_threads(jobs, do), progress)


def run_tasks(tasks: Sequence[VideoTask], execute: Executor, progress: Progress) -> JobSummary:
    """Have all videos done, and return the summary of all; Ctrl-C and SIGTERM end it."""
    total = JobSummary()
    progress.set_total(len(tasks))
    with stop_on_signal() as stopped:
        for summary in execute(tasks, stopped):
            total.merge(summary)
            progress.advance()
        total.signal = stopped()
    return total


def in_threads(jobs: int, run: Callable[[VideoTask, Stopped], JobSummary]) -> Executor:
    """Return what does so many videos at a time on this machine."""

    def execute(tasks: Sequence[VideoTask], stopped: Stopped) -> Iterator[JobSummary]:
        with ThreadPoolExecutor(jobs, "video") as pool:
            waiting = [pool.submit(run, task, stopped) for task in tasks]
            while waiting:
                # With a time-out, so that a signal is seen while all wait.
                done, _ = wait(waiting, _POLL_S, FIRST_COMPLETED)
                yield from (one.result() for one in waiting if one in done)
                waiting = [one for one in waiting if one not in done]

    return execute


def _run_one(
    engine: Engine,
    task: VideoTask,
    track: TrackOptions | None,
    style: Style,
    on_result: OnResult | None,
    stopped: Stopped,
) -> JobSummary:
    try:
        for file in task.files():
            make_folder(file.parent)
        return run_video(
            engine, str(task.source), task.out,
            track=track, style=style, encoding=task.encoding, outputs=task.outputs,
            on_result=on_result, stopped=stopped, or_as_it_is=True,
        )  # fmt: skip
    except SourceError as error:
        return JobSummary(problems=[str(error)])
    except MaskinferError as error:  # of one video only, such as a folder in the place of its output
        return JobSummary(problems=[f"{task.source}: {error}"])
