"""A job over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceError, nothing_begun
from maskinfer.engine.files.atomic import check_writable
from maskinfer.engine.files.images import WRITTEN_SUFFIXES, ImageFile, open_image, open_pages
from maskinfer.engine.files.listing import HEIF_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES, SourceFile, list_images
from maskinfer.engine.files.places import inner_folders, make_folder
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.flow.signals import stop_on_signal
from maskinfer.engine.frames.annotate import PLAIN, Style, annotate
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.jobs.summary import JobSummary, OnResult
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.outputs import Outputs, check_style_labels, open_outputs, refuse_clear_crops

_PICTURE_SUFFIXES = IMAGE_SUFFIXES | HEIF_SUFFIXES | WRITTEN_SUFFIXES | {".gif", ".jxl"}
Infer = Callable[[Frame], FrameResult]


def run_images(
    engine: Engine,
    sources: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    style: Style = PLAIN,
    outputs: Outputs | None = None,
    on_result: OnResult | None = None,
    progress: Progress = SILENT,
    stopped: Callable[[], int] | None = None,
) -> JobSummary:
    """Label the faces of images.

    Every page of a TIFF file is an image, with its number as ``FrameResult.frame``. Of an animation the first picture
    is looked at, and that is among the problems.

    Args:
        engine: finds and labels.
        sources: files, folders and glob patterns, or one of them.
        out: a folder where annotated copies go, under their names below the folder that was named; what is read but
            not written, such as .avif, becomes ``NAME.jpg``. For a single image also a file, if it ends as one does.
        style: how they are annotated.
        outputs: where else results go.
        on_result: called with the result of each image.
        progress: receives the number of images, how many are done, and which files of the folders were left out.
        stopped: called between images; returns the number of a signal that ends the job, or 0. By default Ctrl-C and
            SIGTERM end it.

    Returns:
        The summary; an image that cannot be read is among its problems, and the others are done.

    Raises:
        SourceNotFoundError: nothing matches. RequestError: an output would overwrite an input or another output, or
        ends like no image that is written. OutputError: an output cannot be written.
    """
    several = [str(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    outputs = outputs or Outputs()
    refuse_clear_crops(outputs, style)
    check_style_labels(style, engine.classifier.contract.labels)
    summary = JobSummary()
    images = list_images(several, progress.say, without=inner_folders([out, outputs.crops], several))
    targets = _plan(images, several, None if out is None else Path(out), outputs)
    with ExitStack() as stack:
        if stopped is None:
            stopped = stack.enter_context(stop_on_signal())
        opened = open_outputs(
            outputs,
            summary.problems.append,
            classifier=engine.classifier,
            inputs=[image.path for image in images],
            is_partial=lambda: bool(summary.signal),
        )
        with nothing_begun():
            add = stack.enter_context(opened)

        def infer(frame: Frame) -> FrameResult:
            result = engine.infer([frame])[0]
            add(frame.picture, result)
            summary.add(result)
            if on_result is not None:
                on_result(result)
            return result

        for number, image in enumerate(counted(images, len(images), progress)):
            if stopped():
                summary.signal = stopped()
                summary.problems.append(f"stopped after {number} of {len(images)} images; what was written is partial")
                break
            try:
                file = open_image(image.path)
                _run_one(file, infer, targets.get(image.path), style)
            except SourceError as error:
                is_video = image.path.suffix.lower() in VIDEO_SUFFIXES
                summary.problems.append(f"{error}; for videos use `maskinfer video`" if is_video else str(error))
                continue
            if file.later_pictures:
                summary.problems.append(
                    f"{image.path} is an animation of {file.later_pictures + 1} pictures, of which only the first was "
                    "looked at: use `maskinfer video` for all"
                )
    return summary


def _run_one(file: ImageFile, infer: Infer, target: Path | None, style: Style) -> None:
    name = as_text(file.path)
    with ExitStack() as stack:
        write = None
        for page in file.pages:
            frame = Frame(name, page, 0.0, Picture(file.read(page)))
            result = infer(frame)
            if target is None:
                continue
            if write is None:
                make_folder(target.parent)
                write = stack.enter_context(open_pages(target, len(file.pages)))
            annotate(frame.picture, result, style)
            write(frame.picture.bgr)


def _plan(images: Sequence[SourceFile], sources: Sequence[str], out: Path | None, outputs: Outputs) -> dict[Path, Path]:
    """Return where each image's annotated copy goes, once that is known to overwrite nothing and to be possible."""
    targets = {} if out is None else _targets(images, out)
    folders = [Path(source) for source in sources if Path(source).is_dir()]
    outputs.check([*(image.path for image in images), *folders], list(targets.values()))
    if out is not None and out in targets.values():
        check_writable(out)
    elif out is not None:
        with nothing_begun():
            make_folder(out)
    return targets


def _targets(images: Sequence[SourceFile], out: Path) -> dict[Path, Path]:
    is_file = out.suffix.lower() in _PICTURE_SUFFIXES | VIDEO_SUFFIXES and not out.is_dir()
    if is_file and len(images) > 1:
        raise RequestError(f"{out} is one file, but there are {len(images)} images: name a folder")
    if is_file and out.suffix.lower() not in WRITTEN_SUFFIXES:
        raise RequestError(f"cannot write {out}: the suffix has to be one of {', '.join(sorted(WRITTEN_SUFFIXES))}")
    targets: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for image in images:
        target = out if is_file else out / _written_name(image.relative)
        if target in taken:
            raise RequestError(f"{image.path} and {taken[target]} would both be written to {target}")
        taken[target] = image.path
        targets[image.path] = target
    return targets


def _written_name(relative: Path) -> Path:
    is_written = relative.suffix.lower() in WRITTEN_SUFFIXES
    return relative if is_written else relative.with_name(f"{relative.name}.jpg")
