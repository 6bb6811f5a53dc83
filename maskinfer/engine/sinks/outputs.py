"""Where the results of a job go besides pictures: JSON Lines, a table, events, the best crop of each face."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from maskinfer.engine.errors import OnError, RequestError
from maskinfer.engine.faces.protocols import ContractClassifier
from maskinfer.engine.files.atomic import IsPartial, never_partial
from maskinfer.engine.files.follow import Health
from maskinfer.engine.files.jsonl import open_lines, to_line
from maskinfer.engine.files.places import refuse_media, refuse_overwriting
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.frames.picture import AnyPicture, Picture, as_picture
from maskinfer.engine.results import LABELS, UNCERTAIN, FrameResult
from maskinfer.engine.sinks.crops import CropFiles
from maskinfer.engine.sinks.event_targets import EventTargets, OpenEvents, open_events
from maskinfer.engine.sinks.events import EventOptions, events_for
from maskinfer.engine.sinks.run import Run
from maskinfer.engine.sinks.table import AddFrame, open_csv
from maskinfer.engine.sources.changes import CameraChange


class Sink(Protocol):
    """Receives the results of a job."""

    def write(self, frame: Picture, result: FrameResult, /) -> None:
        """Receive a frame, before anything is drawn on it, and its result; each source's frames come in order.

        An exception ends the job. A job over several videos at a time calls this from several threads.

        Args:
            frame: the pixels; ``frame.bgr`` is uint8 (height, width, 3) and must not be changed.
            result: the result of this frame, with its source, index and time.
        """
        ...


class ResultTarget(Protocol):
    """A place for the results of one video, or of many, that is opened for each of them."""

    def of(self, name: Path, /) -> ResultTarget:
        """Return the place for one video of many, by its path below the folder that was read."""
        ...

    def files(self) -> list[str]:
        """Return the files that appear; of a place for many videos its folder."""
        ...

    def open(self, events: EventOptions, /, *, is_partial: IsPartial) -> AbstractContextManager[AddFrame]:
        """Give what takes every frame of a video and its result."""
        ...


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results are written; None for outputs that are not wanted.

    Attributes:
        jsonl: file with one line per frame; ``-`` for standard output.
        csv: file with one row per face; ``-`` for standard output.
        events: one record per person and change; events need tracking.
        crops: folder for pictures of the faces.
        crop_labels: only faces with these labels get a picture; empty for all.
        tables: another place for results, such as Parquet tables.
        sinks: sinks of your own, which receive every frame; closing them is up to the caller.
    """

    jsonl: str | None = None
    csv: str | None = None
    events: EventTargets | None = None
    crops: Path | None = None
    crop_labels: tuple[str, ...] = ()
    tables: ResultTarget | None = None
    sinks: tuple[Sink, ...] = ()

    def files(self) -> list[str]:
        """Return the files of text among them; ``-`` is standard output."""
        files = [self.jsonl, self.csv, None if self.events is None else self.events.file]
        return [*(file for file in files if file is not None), *([] if self.tables is None else self.tables.files())]

    def check(
        self, inputs: Sequence[str | Path] = (), drawn: Sequence[str | Path] = (), *, stoppable: bool = False
    ) -> None:
        """Check, before anything is begun, that nothing is written twice, nor over what is read.

        Args:
            inputs: files and folders that are read.
            drawn: annotated pictures and videos, which are written too.
            stoppable: what is drawn may get its ``partial_name``, as files of text may in any case.

        Raises:
            RequestError: an output is an input, or another output, or text would go into a file named as a picture is.
        """
        folders = [] if self.crops is None else [self.crops]
        text = self.files()
        stopped = [*drawn, *text] if stoppable else text
        refuse_overwriting([*drawn, *text], inputs, folders=folders, stoppable=stopped)
        refuse_media(text)
        for file in text:
            if file.endswith(("/", os.sep)):
                raise RequestError(f"{file} is named as a folder: expected the name of a file")


def refuse_clear_crops(outputs: Outputs | None, style: Style) -> None:
    """Refuse what would hide faces in one place and show them in another.

    Raises:
        RequestError: faces are to be blurred, and crops of them to be written.
    """
    if style.blur_faces and outputs is not None and outputs.crops is not None:
        raise RequestError("crops show faces as they are, and blurring hides them: leave out one of the two")


def check_style_labels(style: Style, labels: Sequence[str]) -> None:
    """Check that a style names labels that there are: one that is misspelled would leave faces clear.

    Raises:
        RequestError: it does not.
    """
    known = (*labels, UNCERTAIN)
    named = (*style.blur_labels, *style.blur_except, *(style.look.counted or ()), *dict(style.look.colours))
    for label in named:
        if label not in known:
            raise RequestError(f"there is no label {label!r}: choose from {', '.join(known)}")


def check_crop_labels(outputs: Outputs | None, classifier: ContractClassifier) -> None:
    """Check that crops of labels are asked for that a classifier gives.

    Raises:
        RequestError: it does not.
    """
    labels = (*classifier.contract.labels, UNCERTAIN)
    for label in () if outputs is None else outputs.crop_labels:
        if label not in labels:
            raise RequestError(f"there is no label {label!r} to save crops of: choose from {', '.join(labels)}")


@dataclass(frozen=True, slots=True)
class OpenOutputs:
    """Outputs that are open; call it with every frame, as it came, and its result, those of a source in their order.

    Attributes:
        adds: what each output does with them.
        tell: what is called when a camera is lost or is back, before the first frame after that.
    """

    adds: Sequence[AddFrame]
    tell: Callable[[CameraChange], None]

    def __call__(self, frame: AnyPicture, result: FrameResult) -> None:
        """Write a frame's results."""
        for add in self.adds:
            add(frame, result)


@contextmanager
def open_outputs(
    outputs: Outputs | None,
    on_error: OnError,
    *,
    classifier: ContractClassifier | None = None,
    run: Run | None = None,
    inputs: Sequence[str | Path] = (),
    on_status: Callable[[str], None] = SILENT.say,
    is_partial: IsPartial = never_partial,
) -> Iterator[OpenOutputs]:
    """Give what takes every frame and its result.

    Args:
        outputs: None for none.
        on_error: called with a line for what could not be delivered.
        classifier: that labels the faces, whose file may say which score is enough for an event.
        run: of a watch, which appends to the files, a line at once, for those who read along and for jobs begun again;
            otherwise they appear when they are whole. Every record has its id and the time, and no crop that is
            there is replaced. An output that cannot be written is told to ``on_error``, and again when it can; it holds
            up no other, and ends nothing.
        inputs: files and folders that are read, which no output replaces.
        is_partial: asked when the files are finished; see ``atomic_write``.
        on_status: called with a line of news, as when a webhook's receiver stops taking events, and when it is back.

    Raises:
        OutputError: a file cannot be written. RequestError: the webhook is no address, or an output is an input
            or another output.
    """
    outputs = outputs or Outputs()
    outputs.check(inputs)
    if classifier is not None:
        check_crop_labels(outputs, classifier)
    on_line = None if run is None else on_error
    with ExitStack() as stack:
        adds: list[AddFrame] = []
        events = OpenEvents()
        if outputs.jsonl is not None:
            write = stack.enter_context(open_lines(outputs.jsonl, on_error=on_line, is_partial=is_partial))
            adds.append(lambda frame, result: write(to_line(result, None if run is None else run.stamp())))
        if outputs.csv is not None:
            labels = LABELS if classifier is None else classifier.contract.labels
            table = open_csv(outputs.csv, labels=labels, on_error=on_line, run=run, is_partial=is_partial)
            adds.append(stack.enter_context(table))
        if outputs.tables is not None:
            adds.append(stack.enter_context(outputs.tables.open(_rules(classifier), is_partial=is_partial)))
        crops = None if outputs.crops is None else CropFiles(outputs.crops, outputs.crop_labels, run, inputs)
        if crops is not None:
            adds.append(crops.add if run is None else _guarded(stack, crops, on_error))
        if outputs.events is not None:
            crop_of = None if crops is None else crops.find
            targets = outputs.events
            if classifier is not None:
                targets = replace(targets, options=events_for(classifier.contract, targets.options))
            events = stack.enter_context(
                open_events(targets, on_error, crop_of=crop_of, run=run, on_status=on_status, is_partial=is_partial)
            )
            adds.append(lambda frame, result: events(result))
        adds += [_taker(sink) for sink in outputs.sinks]
        yield OpenOutputs(adds, events.tell)


def _rules(classifier: ContractClassifier | None) -> EventOptions:
    return EventOptions() if classifier is None else events_for(classifier.contract, EventOptions())


def _guarded(stack: ExitStack, crops: CropFiles, on_error: OnError) -> AddFrame:
    health = Health(str(crops.folder), "frame", on_error)
    stack.callback(health.close)
    return lambda frame, result: health.attempt(lambda: crops.add(frame, result))


def _taker(sink: Sink) -> AddFrame:
    return lambda frame, result: sink.write(as_picture(frame), result)
