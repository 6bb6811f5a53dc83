"""A job over images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OutputError, RequestError, SourceError
from maskinfer.engine.files.images import SourceFile, list_images, read_image, write_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.frames.annotate import PLAIN, Style, annotate
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.jobs.summary import JobSummary, OnResult
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.outputs import Outputs, open_outputs, refuse_clear_crops


def run_images(
    engine: Engine,
    sources: str | Path | Sequence[str | Path],
    *,
    out_dir: str | Path | None = None,
    style: Style = PLAIN,
    outputs: Outputs | None = None,
    on_result: OnResult | None = None,
    progress: Progress = SILENT,
) -> JobSummary:
    """Label the faces of images.

    Args:
        engine: finds and labels the faces.
        sources: files, folders and glob patterns, or a single one.
        out_dir: folder for annotated copies, which keep their paths relative to the source folder; None for none.
        style: how to annotate them.
        outputs: where else to write results.
        on_result: called with the result of each image.
        progress: receives the number of images, and how many are done.

    Returns:
        The summary. Images that cannot be read are among its problems; the others are processed.

    Raises:
        SourceNotFoundError: nothing matches.
        RequestError: an output would overwrite an input or another output.
        OutputError: an output cannot be written.
    """
    several = [sources] if isinstance(sources, (str, Path)) else sources
    refuse_clear_crops(outputs, style)
    images = list_images([str(source) for source in several])
    if out_dir is not None:
        _check_outputs(images, Path(out_dir))
    summary = JobSummary()
    with open_outputs(outputs, summary.problems.append, classifier=engine.classifier) as add:
        for image in counted(images, len(images), progress):
            try:
                frame = Frame(str(image.path), 0, 0.0, Picture(read_image(image.path)))
            except SourceError as error:
                summary.problems.append(str(error))
                continue
            result = engine.infer([frame])[0]
            add(frame.picture, result)
            if out_dir is not None:
                _write_annotated(Path(out_dir, image.relative), frame, result, style)
            summary.add(result)
            if on_result is not None:
                on_result(result)
    return summary


def _check_outputs(images: Sequence[SourceFile], out_dir: Path) -> None:
    inputs = {image.path.resolve() for image in images}
    outputs: dict[Path, Path] = {}
    for image in images:
        target = (out_dir / image.relative).resolve()
        if target in inputs:
            raise RequestError(f"{target} is an input and would be overwritten: choose another folder than {out_dir}")
        if target in outputs:
            raise RequestError(f"{image.path} and {outputs[target]} would both be written to {target}")
        outputs[target] = image.path


def _write_annotated(path: Path, frame: Frame, result: FrameResult, style: Style) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} cannot be made: {error.strerror}") from error
    annotate(frame.picture, result, style)
    write_image(path, frame.picture.bgr)
