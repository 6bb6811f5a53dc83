"""What a job over many videos has done, a line a video; and what it would replace that other settings made."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskinfer import __version__
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.tracker import TrackOptions
from maskinfer.engine.files.atomic import check_writable
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.jobs.summary import number_of
from maskinfer.engine.sinks.outputs import Outputs

if TYPE_CHECKING:
    from maskinfer.engine.jobs.archive import VideoTask

JOURNAL = ".maskinfer-done.jsonl"
_HASHED_AT_ONCE = 1 << 20
_MOST_NAMED = 3
_NOTHING: Mapping[str, Any] = {}


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
        values |= _flat(name, part)
    if outputs.crops is not None:
        values["crop_labels"] = sorted(outputs.crop_labels)
    values["sinks"] = [type(sink).__qualname__ for sink in outputs.sinks]
    values = json.loads(json.dumps(values, default=repr, sort_keys=True))
    return JobSettings(values, _digest(json.dumps(values, sort_keys=True)))


def _model(model: object) -> str:
    # Somebody's own model has no contract that would tell when it changed, so that its videos are done again.
    if not isinstance(model, (OnnxDetector, OnnxClassifier)):
        return repr(model)
    contract = model.contract
    return f"{contract.name} {contract.version} {_digest(repr(contract))[:8]}"


def _flat(name: str, part: object) -> dict[str, object]:
    if not hasattr(part, "__dataclass_fields__"):
        return {name: part}
    return {f"{name}.{key}": value for key, value in asdict(part).items()}  # type: ignore[call-overload]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Journal:
    """What was begun and what is done in a folder of annotated videos.

    Args:
        folder: of the annotated videos.
        settings: of the job.

    Raises:
        OutputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, settings: JobSettings) -> None:
        check_writable(folder / JOURNAL)
        self._folder, self._file, self._settings = folder, folder / JOURNAL, settings
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}  # by place
        self._known: dict[str, dict[str, Any]] = {}  # values of settings by their digest
        lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines() if self._file.exists() else []
        for line in lines:
            try:
                record = json.loads(line)
                if "values" in record:
                    self._known[record["settings"]] = dict(record["values"])
                else:
                    self._last[record["place"]] = record
            except (ValueError, KeyError, TypeError):  # cut by a power failure: that video is done again
                continue

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
        there = [file for file in task.files() if file.is_file()]
        last = self._last.get(self._place(task), _NOTHING)
        if last.get("settings") != self._settings.digest:
            return there
        sizes = last.get("sizes", _NOTHING)
        # What a job of these settings began and was killed over may be there in any state; a size that is None is of
        # earlier content.
        return [
            file for file in there
            if "sizes" in last and sizes.get(as_text(file.name), -1) not in (None, file.stat().st_size)
        ]  # fmt: skip

    def _why(self, task: VideoTask) -> str:
        digest = self._last.get(self._place(task), _NOTHING).get("settings")
        if digest is None:
            return "which no job of this folder made"
        if digest == self._settings.digest:
            return "which were changed since"
        then, now = self._known.get(digest, {}), self._settings.values
        changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        told = [f"{name} {json.dumps(then.get(name))}, now {json.dumps(now.get(name))}" for name in changed]
        return f"made with {', '.join(told[:_MOST_NAMED])}" if then and told else "made with other settings"

    def _place(self, task: VideoTask) -> str:
        # Below the folder, which may be moved.
        return as_text(task.out.relative_to(self._folder))

    def key(self, task: VideoTask) -> str:
        """Return what a video is known by: its content, the settings, its place."""
        digest = hashlib.blake2b(f"{self._settings.digest} {self._place(task)}".encode(), digest_size=16)
        try:
            with task.source.open("rb") as file:
                while block := file.read(_HASHED_AT_ONCE):
                    digest.update(block)
        except OSError:  # reading it will tell
            return ""
        return digest.hexdigest()

    def problems_of(self, key: str, task: VideoTask) -> list[str] | None:
        """Return what was wrong when it was done; None when it is to be done (again)."""
        record = self._last.get(self._place(task), _NOTHING)
        made, there = record.get("sizes", _NOTHING), _sizes(task.files())
        if record.get("key") != key or any(size is None or made.get(name) != size for name, size in there.items()):
            return None
        problems = record.get("problems", [])
        return [str(problem) for problem in problems] if isinstance(problems, list) else []

    def begin(self, key: str, task: VideoTask) -> None:
        """Note that it is begun: what is found of it later, if its job is killed, may be replaced.

        Raises:
            OutputError: it cannot be noted.
        """
        last = self._last.get(self._place(task), _NOTHING)
        is_ours, is_same = last.get("settings") == self._settings.digest, last.get("key") == key
        made = last.get("sizes", last.get("made", _NOTHING)) if is_ours else _NOTHING
        self._write(key, task, made={name: size if is_same else None for name, size in made.items()})

    def note(self, key: str, task: VideoTask, problems: Sequence[str]) -> None:
        """Note that it is done.

        Raises:
            OutputError: it cannot be noted, so that the next job will do it again.
        """
        # Of results that this job was not asked for, too.
        made = self._last.get(self._place(task), _NOTHING).get("made", _NOTHING)
        self._write(key, task, sizes={**made, **_sizes(task.files())}, problems=list(problems))

    def _write(self, key: str, task: VideoTask, **more: object) -> None:
        place, digest = self._place(task), self._settings.digest
        record = {"place": place, "source": as_text(task.source), "settings": digest, "key": key, **more}
        with self._lock:
            records = [record]
            if digest not in self._known:
                records.insert(0, {"settings": digest, "values": dict(self._settings.values)})
            try:
                with self._file.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
            except OSError as error:
                what = "is done, but" if "sizes" in more else "is left out:"
                raise OutputError(f"{task.source} {what} {self._file} cannot be written: {error.strerror}") from error
            self._known[digest] = dict(self._settings.values)
            self._last[place] = record


def _sizes(files: Iterable[Path]) -> dict[str, int | None]:
    return {as_text(file.name): file.stat().st_size if file.exists() else None for file in files}
