"""What a job over many videos has done, a line a video; and what it would replace that other settings made."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from maskinfer import __version__
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OutputError, RequestError, SourceNotFoundError
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.files.atomic import check_writable
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.jobs.entry import NOTHING, Entry, Sizes, video_key
from maskinfer.engine.jobs.summary import JobSummary, number_of
from maskinfer.engine.jobs.tasks import VideoTask
from maskinfer.engine.sinks.outputs import Outputs

JOURNAL = ".maskinfer-done.jsonl"
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class JobSettings:
    """All that the outputs of a job depend on besides the videos.

    Attributes:
        values: by name, as JSON holds them.
        digest: of all of them.
    """

    values: Mapping[str, Any]
    digest: str


def job_settings(
    engine: Engine, track: TrackOptions | None, style: Style, outputs: Outputs | None, **others: object
) -> JobSettings:
    """Return what the outputs of a job depend on; not where they go, nor which of them are wanted.

    Args:
        engine: its models by their contracts, and its gate.
        track: how faces are followed.
        style: how frames are annotated.
        outputs: what counts as an event, and of which faces there are crops. Addresses and secrets are left out.
        others: settings of other kinds, by name.
    """
    outputs = outputs or Outputs()
    values: dict[str, Any] = {"version": __version__}
    for name, model in (("detector", engine.detector), ("classifier", engine.classifier)):
        values[name] = _model(model)
    parts = {"gate": engine.gate, "track": track, "style": style, **others}
    if outputs.events is not None:
        parts["events"] = outputs.events.options
        values["webhook"] = outputs.events.webhook is not None
    for name, part in parts.items():
        values |= flat(name, part)
    if track is not None and track.detect_every is None:
        values["track.looks_per_s"] = engine.recorded_looks_per_s
    if outputs.crops is not None:
        values["crop_labels"] = sorted(outputs.crop_labels)
    values["sinks"] = [type(sink).__qualname__ for sink in outputs.sinks]
    return settings_of(values)


def settings_of(values: Mapping[str, object]) -> JobSettings:
    """Return settings by their values, as JSON holds them."""
    plain = json.loads(json.dumps(values, default=_plain, sort_keys=True))
    return JobSettings(plain, _digest(json.dumps(plain, sort_keys=True)))


def last_settings(folder: Path) -> Mapping[str, Any]:
    """Return the settings of the job that wrote into a folder last.

    Raises:
        SourceNotFoundError: no job of many videos wrote into it.
    """
    try:
        lines = (folder / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SourceNotFoundError(
            f"no job wrote into {folder}: expected the output folder of maskinfer video or render"
        ) from error
    known: dict[str, Mapping[str, Any]] = {}
    last: Mapping[str, Any] = NOTHING
    for line in lines:
        try:
            record = json.loads(line)
            if "values" in record:
                known[record["settings"]] = dict(record["values"])
            else:
                last = known.get(record["settings"], last)
        except (ValueError, KeyError, TypeError):
            continue
    return last


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return hashlib.blake2b(value, digest_size=16).hexdigest()
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _model(model: object) -> str:
    # Somebody's own model has no contract that would tell when it changed, so that its videos are done again.
    if not isinstance(model, (OnnxDetector, OnnxClassifier)):
        return repr(model)
    contract = model.contract
    several = model.mirrored if isinstance(model, OnnxClassifier) else model.views
    known_by, looks = (repr((contract, several)), " looking several times") if several else (repr(contract), "")
    return f"{contract.name} {contract.version} {_digest(known_by)[:8]}{looks}"


def flat(name: str, part: object) -> dict[str, object]:
    """Return the values of a dataclass by ``name.field``, or of anything else by its name."""
    if not hasattr(part, "__dataclass_fields__"):
        return {name: part}
    return {f"{name}.{key}": value for key, value in asdict(part).items()}  # type: ignore[call-overload]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def size_on_disk(file: Path) -> int | None:
    """Return the size of a file in bytes; None when it is not there."""
    return file.stat().st_size if file.is_file() else None


class Journal:
    """What was begun and what is done in a folder of annotated videos.

    Args:
        folder: of the annotated videos.
        settings: of the job.
        size_of: returns the size of an output; None when it is not there.

    Raises:
        OutputError: the folder cannot be written to.
    """

    def __init__(
        self, folder: Path, settings: JobSettings, size_of: Callable[[Path], int | None] = size_on_disk
    ) -> None:
        check_writable(folder / JOURNAL)
        self._folder, self._file, self._settings, self._size_of = folder, folder / JOURNAL, settings, size_of
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}  # by place
        self._known: dict[str, dict[str, Any]] = {}  # values of settings by their digest
        lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines() if self._file.exists() else []
        for line in lines:
            self._take(line)

    def _take(self, line: str) -> bool:
        try:
            record = json.loads(line)
            if "values" in record:
                self._known[record["settings"]] = dict(record["values"])
            else:
                self._last[record["place"]] = record
        except (ValueError, KeyError, TypeError):  # cut by a power failure: that video is done again
            return False
        return True

    def refuse_replacing(self, tasks: Iterable[VideoTask]) -> None:
        """Refuse a job that would replace files of other settings, or files that nobody noted.

        Raises:
            RequestError: the message says which, how many, and what was different.
        """
        found = [(task, files) for task in tasks if (files := self._others(task))]
        if not found:
            return
        names = [as_text(file) for _, files in found for file in files]
        some = ", ".join(names[:_MOST_NAMED]) + (" ..." if len(names) > _MOST_NAMED else "")
        reasons = list(dict.fromkeys(self._why(task) for task, _ in found))
        raise RequestError(
            f"{number_of(len(names), 'files')} would be replaced ({some}), {'; '.join(reasons[:_MOST_NAMED])}: "
            "name another output folder, or add --overwrite"
        )

    def _others(self, task: VideoTask) -> list[Path]:
        """Return what is there of a task's files that this job's settings did not make."""
        there = {file: size for file in task.files(self._size_of) if (size := self._size_of(file)) is not None}
        last = self._last.get(self.place(task), NOTHING)
        if last.get("settings") != self._settings.digest:
            return list(there)
        sizes = last.get("sizes", NOTHING)
        # What a job of these settings began and was killed over may be there in any state; a size that is None is of
        # earlier content.
        return [
            file for file, size in there.items()
            if "sizes" in last and sizes.get(as_text(file.name), -1) not in (None, size)
        ]  # fmt: skip

    def _why(self, task: VideoTask) -> str:
        digest = self._last.get(self.place(task), NOTHING).get("settings")
        if digest is None:
            return "which no job of this folder made"
        if digest == self._settings.digest:
            return "which were changed since"
        then, now = self._known.get(digest, {}), self._settings.values
        changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        told = [f"{name} {json.dumps(then.get(name))}, now {json.dumps(now.get(name))}" for name in changed]
        return f"made with {', '.join(told[:_MOST_NAMED])}" if then and told else "made with other settings"

    def place(self, task: VideoTask) -> str:
        """Return where a video's annotated copy goes."""
        # Below the folder, which may be moved.
        return as_text(task.out.relative_to(self._folder))

    def entry(self, task: VideoTask) -> Entry:
        """Return what the next lines about a video say besides what happened to it."""
        place = self.place(task)
        return Entry(place, task.shown_as, self._settings.digest, self._last.get(place, NOTHING))

    def key(self, task: VideoTask) -> str:
        """Return what a video is known by: its content, the settings, its place."""
        return video_key(self._settings.digest, self.place(task), task.source)

    def done_as(self, task: VideoTask) -> str | None:
        """Return the key of a video that was done and whose files are still there; None when it is to be done."""
        record = self._last.get(self.place(task), NOTHING)
        made, there = record.get("sizes", NOTHING), self._sizes(task)
        is_there = "sizes" in record and all(
            size is not None and made.get(name) == size for name, size in there.items()
        )
        return record.get("key") if is_there else None

    def problems_of(self, key: str, task: VideoTask) -> list[str] | None:
        """Return what was wrong when it was done; None when it is to be done (again)."""
        if self.done_as(task) != key:
            return None
        problems = self._last[self.place(task)].get("problems", [])
        return [str(problem) for problem in problems] if isinstance(problems, list) else []

    def begin(self, key: str, task: VideoTask) -> None:
        """Note that it is begun: what is found of it later, if its job is killed, may be replaced.

        Raises:
            OutputError: it cannot be noted.
        """
        self._write(self.entry(task).begun(key), f"{task.source} is left out:")

    def note(self, key: str, task: VideoTask, summary: JobSummary) -> None:
        """Note that it is done.

        Raises:
            OutputError: it cannot be noted, so that the next job will do it again.
        """
        entry = self.entry(task)
        # Of results that this job was not asked for, too.
        made = entry.last.get("made", NOTHING)
        self._write(entry.done(key, self._sizes(task), summary, made), f"{task.source} is done, but")

    def adopt(self, line: Mapping[str, Any]) -> None:
        """Take a line that was made elsewhere.

        Raises:
            OutputError: it cannot be noted.
        """
        self._write(line, f"{line.get('source')} is done, but")

    def _write(self, record: Mapping[str, Any], what: str) -> None:
        digest = self._settings.digest
        lines = [json.dumps(record, ensure_ascii=False)]
        with self._lock:
            if digest not in self._known:
                values = {"settings": digest, "values": dict(self._settings.values)}
                lines.insert(0, json.dumps(values, ensure_ascii=False))
            try:
                with self._file.open("a", encoding="utf-8") as file:
                    file.writelines(f"{line}\n" for line in lines)
            except OSError as error:
                raise OutputError(f"{what} {self._file} cannot be written: {error.strerror}") from error
            for line in lines:
                self._take(line)

    def _sizes(self, task: VideoTask) -> Sizes:
        return {as_text(file.name): self._size_of(file) for file in task.files(self._size_of)}
