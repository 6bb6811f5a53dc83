"""Annotated videos drawn again from results that are there already: no model runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from maskinfer import __version__
from maskinfer.engine.errors import MaskinferError, OutputError, RequestError, SourceError, nothing_begun
from maskinfer.engine.files.atomic import check_writable, partial_name
from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.files.listing import VIDEO_SUFFIXES, list_files
from maskinfer.engine.files.places import inner_folders, make_folder, refuse_overwriting
from maskinfer.engine.flow.overlap import prefetch
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.signals import stop_on_signal
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.frames.cover import covered
from maskinfer.engine.jobs.archive import in_threads, run_tasks
from maskinfer.engine.jobs.entry import video_key
from maskinfer.engine.jobs.journal import Journal, flat, settings_of
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.scenes import Kept, Scenes
from maskinfer.engine.jobs.summary import JobSummary
from maskinfer.engine.jobs.tasks import VideoTask, plan_videos
from maskinfer.engine.jobs.video import QUEUE_FRAMES, partial_line
from maskinfer.engine.results import LABELS, FrameResult
from maskinfer.engine.sinks.copies.annotated import open_copy
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sinks.outputs import Outputs, check_style_labels
from maskinfer.engine.sources.decoder import CPU, check_decoder
from maskinfer.engine.sources.video import open_video

_RESULTS = ".jsonl"
Stopped = Callable[[], int]


def run_render(
    source: str,
    results: Path,
    out: Path,
    *,
    style: Style,
    encoding: Encoding = PLAIN_ENCODING,
    kept: Kept | None = None,
    decoder: str = CPU,
    progress: Progress = SILENT,
    stopped: Stopped | None = None,
    or_as_it_is: bool = False,
) -> JobSummary:
    """Draw a video's results on it.

    Args:
        source: the video.
        results: that ``run_video`` wrote of it, a line a frame.
        out: .mp4, .mov or .mkv, or as ``encoding`` says; appears when it is whole.
        style: how to draw.
        encoding: how the copy is made.
        kept: what is kept, one scene after the other and without sound; None for all.
        decoder: of the source, one of ``sources.decoder.DECODERS``.
        progress: told how many frames the source declares, if it does, and how many have been read.
        stopped: returns the number of a signal that ends the job, or 0. By default Ctrl-C and SIGTERM end it.
        or_as_it_is: as of ``run_video``.

    Raises:
        SourceError: the source or the results cannot be read, or are not of one another.
        RequestError: the output is an input, or has an unknown format; there is nothing to keep; a label is unknown.
        OutputError: it cannot be written.
    """
    drawn = [out, *encoding.sidecars(out)]
    refuse_overwriting(drawn, [source, results], stoppable=drawn)
    encoding.check(out, style)
    if kept is not None and encoding.is_overlay:
        raise RequestError("an overlay shows the whole video: encode a copy of some scenes")
    check_style_labels(style, _labels(results))
    for file in drawn:
        check_writable(file)
    summary = JobSummary()
    scenes = None if kept is None else Scenes(kept.spans(results))
    with ExitStack() as stack:
        stopped = stopped or stack.enter_context(stop_on_signal())
        video = stack.enter_context(open_video(source, decoder=decoder))
        # Results are read ahead of the frames, so that what is to be hidden is known of both sides of a gap.
        lines = covered(read_results(results), lambda result: result, style.blur_hold_s, style.hides)
        recover_videos([out], progress.say)
        opened = open_copy(
            out, video.info, source, style, encoding,
            with_sound=scenes is None, or_as_it_is=encoding.as_it_is(out, Path(source)) if or_as_it_is else None,
            is_partial=lambda: bool(summary.signal),
        )  # fmt: skip
        copy = stack.enter_context(opened)
        progress.set_total(video.info.frame_count)
        for frame in stack.enter_context(prefetch(video, QUEUE_FRAMES)):
            line = next(lines, None)
            if line is None:
                summary.problems.append(f"{results} ends after {summary.frames} frames, before {source} does")
                break
            result, hidden = line
            _check_pair(result, frame.index, frame.picture.size_wh, f"{results} is not of {source}")
            pts = frame.pts if scenes is None else scenes.pts(frame)
            if pts is not None:
                copy.add(replace(frame, pts=pts), result, hidden)
                summary.add(result)
            progress.advance()
            if stopped():
                summary.signal = stopped()
                break
    summary.problems += copy.problems
    if summary.signal:
        summary.problems.append(partial_line(summary, video.info.frame_count, drawn, None))
    return summary


def _labels(results: Path) -> tuple[str, ...]:
    """Return the labels that a classifier gave, as far as its results say."""
    faces = (face for result in read_results(results) for face in result.faces)
    first = next(faces, None)
    return LABELS if first is None else tuple(dict.fromkeys((*first.scores, *LABELS)))


def _check_pair(result: FrameResult, index: int, size_wh: tuple[int, int], what: str) -> None:
    if result.frame != index or result.size_wh != size_wh:
        raise SourceError(
            f"{what}: frame {index} of {size_wh[0]}x{size_wh[1]} "
            f"meets frame {result.frame} of {result.size_wh[0]}x{result.size_wh[1]}"
        )


def run_renders(
    sources: Sequence[str],
    results: Path,
    out_dir: Path,
    *,
    style: Style,
    encoding: Encoding = PLAIN_ENCODING,
    kept: Kept | None = None,
    decoder: str = CPU,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> JobSummary:
    """Draw the results of many videos on them, leaving out those that are done; see ``run_videos``.

    Args:
        sources: files, folders (with their sub-folders) and glob patterns.
        results: folder of the results, as ``run_videos`` writes them: ``NAME.jsonl`` for each video.
        out_dir: for the videos.
        style, encoding, kept, decoder: as of ``run_render``. A video of which nothing is kept is none of the problems.
        jobs: how many videos at a time.
        overwrite: replace files that were made with other settings, or that no job made.
        progress: told how many videos there are and have been done.

    Raises:
        SourceNotFoundError: nothing matches. RequestError: outputs would overwrite something. OutputError: ``out_dir``
        cannot be made.
    """
    check_decoder(decoder)
    files = list_files(
        sources, VIDEO_SUFFIXES, "video", progress.say, without=inner_folders([out_dir, results], sources)
    )
    tasks = plan_videos(files, out_dir, Outputs(), [one for one in sources if Path(one).is_dir()], encoding)
    lines = {task.out: results / file.relative.with_name(f"{file.relative.name}{_RESULTS}")
             for task, file in zip(tasks, files, strict=True)}  # fmt: skip
    refuse_overwriting([file for task in tasks for file in task.files()], list(lines.values()))
    with nothing_begun():
        make_folder(out_dir)
        values = {"version": __version__, **flat("style", style), **flat("encoding", encoding), **flat("kept", kept)}
        journal = Journal(out_dir, settings_of(values))
    if not overwrite:
        journal.refuse_replacing(tasks)

    def run(task: VideoTask, stopped: Stopped) -> JobSummary:
        if stopped():
            return JobSummary()
        own = lines[task.out]
        key = video_key(journal.key(task), journal.place(task), own)
        problems = journal.problems_of(key, task)
        if problems is not None:
            return JobSummary(problems=problems, skipped=1)
        try:
            if not own.is_file():
                return JobSummary(problems=[f"{task.shown_as} is left out: there are no results of it in {own}"])
            if kept is not None and not _is_kept(kept, own):
                return JobSummary()
            journal.begin(key, task)
            make_folder(task.out.parent)
            summary = run_render(
                str(task.source), own, task.out,
                style=style, encoding=encoding, kept=kept, decoder=decoder, stopped=stopped, or_as_it_is=True,
            )  # fmt: skip
            if summary.frames and not summary.signal:
                journal.note(key, task, summary)
                for file in task.files():
                    partial_name(file).unlink(missing_ok=True)
        except (SourceError, OutputError) as error:
            return JobSummary(problems=[str(error)])
        except MaskinferError as error:
            return JobSummary(problems=[f"{task.shown_as}: {error}"])
        return summary

    return run_tasks(tasks, in_threads(jobs, run), progress)


def _is_kept(kept: Kept, results: Path) -> bool:
    try:
        return bool(kept.spans(results))
    except RequestError:
        return False
