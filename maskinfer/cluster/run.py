"""An archive on a cluster: planned here, done there, noted here."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maskinfer.cluster.attempt import record_name
from maskinfer.cluster.jobs import Job, Outcome, Setup
from maskinfer.cluster.messages import State
from maskinfer.cluster.models import models_for
from maskinfer.cluster.places import Planned, Roots, plan
from maskinfer.cluster.storage import below, is_remote, names_in, publish, read_bytes, real_place, remove
from maskinfer.cluster.supervisor import Supervisor
from maskinfer.engine.errors import MissingExtraError, OutputError, RequestError, SourceError, nothing_begun
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.files.scratch import scratch_folder
from maskinfer.engine.flow.meter import Meter
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.frames.annotate import PLAIN, Style
from maskinfer.engine.jobs.archive import Stopped, run_tasks
from maskinfer.engine.jobs.journal import JOURNAL, Journal, job_settings
from maskinfer.engine.jobs.summary import JobSummary
from maskinfer.engine.jobs.tasks import VideoTask
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sinks.outputs import Outputs, check_crop_labels, check_style_labels, refuse_clear_crops
from maskinfer.engine.tables.write import ParquetTables

RECORDS, PIECES = ".maskinfer-done", ".maskinfer-pieces"
_log = logging.getLogger("maskinfer")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where an archive is done.

    Attributes:
        address: ``HOST:PORT`` of a Ray cluster's head, or ``auto`` for the one that this machine belongs to; ``local``
            for one of this machine alone, which ends with the job.
        workers: at most so many at a time; None for one a core.
        piece_s: videos of twice that length or more are looked at in pieces of at least so many seconds; None for none.
    """

    address: str
    workers: int | None = None
    piece_s: float | None = 1800.0


def run_on_cluster(
    models: Mapping[str, Any],
    sources: Sequence[str],
    out: str,
    where: Cluster,
    *,
    track: TrackOptions | None = None,
    style: Style = PLAIN,
    encoding: Encoding = PLAIN_ENCODING,
    outputs: Outputs | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    counts: Counter[str] | None = None,
) -> JobSummary:
    """Turn many recorded videos into annotated ones, on many machines; what they give is what ``run_videos`` gives.

    Each machine reads the videos and writes the outputs itself, so that both have to be in places that all can reach: a
    folder that they share, or a URL that fsspec knows. Records of what is done are those of ``run_videos``.

    Args:
        models: arguments of ``engine.load.load``.
        sources: files, folders, glob patterns and URLs.
        out: folder or URL for the annotated videos.
        where: the cluster.
        track, style, encoding, overwrite: as of ``run_videos``.
        outputs: whose files are folders or URLs.
        progress: told how many videos there are and have been done, and what is worth a line.
        counts: gets how many videos and pieces were done, and how often something was tried again.

    Raises:
        MissingExtraError: Ray or fsspec is not installed. ClusterError: there is no cluster. SourceNotFoundError:
        nothing matches. RequestError: what is asked for cannot be.
    """
    outputs = outputs or Outputs()
    _check(outputs)
    refuse_clear_crops(outputs, style)
    shipped = models_for(models)
    check_crop_labels(outputs, shipped.engine.classifier)
    check_style_labels(style, shipped.engine.classifier.contract.labels)
    with scratch_folder() as stand_in:
        roots = Roots.of(out, outputs, stand_in)
        planned = plan(sources, roots, outputs, encoding, progress.say)
        settings = job_settings(shipped.engine, track, style, outputs, encoding=encoding)
        with nothing_begun():
            roots.make()
            ledger = Ledger(roots, out, Journal(fetched_journal(roots, out), settings, roots.size_of))
        ledger.adopt_left()
        if not overwrite:
            ledger.refuse_replacing([one.task for one in planned])
        setup = Setup(
            shipped.arguments, shipped.digest, track, style, encoding, _without_files(outputs),
            records=below(real_place(out), RECORDS), pieces=below(real_place(out), PIECES),
            piece_s=where.piece_s, gpus=shipped.gpus, workers=where.workers, model_files=shipped.files,
        )  # fmt: skip
        meter = Meter(sum(one.size for one in planned), len(planned))
        supervisor = Supervisor(where.address, setup, _teller(meter, planned, progress), progress.say)
        try:
            return run_tasks(
                [one.task for one in planned], _executor(planned, roots, ledger, supervisor, meter), progress
            )
        finally:
            ledger.close()
            if counts is not None:
                counts.update(supervisor.counts)


def _check(outputs: Outputs) -> None:
    for package in ("ray", "fsspec"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "cluster")
    if outputs.events is not None and outputs.events.webhook is not None:
        raise RequestError(
            "a webhook would be told twice of what is tried again (--webhook with --cluster): write --events"
        )
    if outputs.tables is not None and not isinstance(outputs.tables, ParquetTables):
        raise RequestError("a target of results of your own cannot be on other machines: write files, and read those")
    if outputs.sinks:
        raise RequestError("sinks of your own cannot be on other machines: write files, and read those")


def _without_files(outputs: Outputs) -> Outputs:
    events = None if outputs.events is None else replace(outputs.events, file=None)
    return replace(outputs, jsonl=None, csv=None, events=events)


def fetched_journal(roots: Roots, out: str) -> Path:
    """Return the folder of the journal, which of a URL is a copy of it."""
    folder = roots.path("video")
    there = read_bytes(below(out, JOURNAL)) if is_remote(out) else None
    if there is not None:
        (folder / JOURNAL).write_bytes(there)
    return folder


@dataclass(slots=True)
class Ledger:
    """The journal of the output folder, and the lines that workers left beside it.

    Attributes:
        roots: folders of the outputs.
        out: place of the annotated videos.
        journal: of them.
    """

    roots: Roots
    out: str
    journal: Journal
    _taken: list[str] = field(default_factory=list)

    def adopt_left(self) -> None:
        """Take the lines of an earlier job whose command did not live to take them."""
        folder = below(self.out, RECORDS)
        names = names_in(folder) if not is_remote(self.out) else _names_or_none(folder)
        for name in [name for name in names if name.endswith(".json")]:
            with suppress(ValueError):
                self.journal.adopt(json.loads(read_bytes(below(folder, name)) or b""))
            self._let_go(below(folder, name))

    def refuse_replacing(self, tasks: Sequence[VideoTask]) -> None:
        """Refuse to replace what other settings made; see ``Journal.refuse_replacing``."""
        try:
            self.journal.refuse_replacing(tasks)
        except RequestError as error:
            text = str(error)
            for kind, place in self.roots.places.items():
                text = text.replace(str(self.roots.path(kind)), _shown(place))
            raise RequestError(text) from None

    def take(self, task: VideoTask, line: Mapping[str, Any]) -> str | None:
        """Note a line of a worker; return what is to be said if that cannot be done."""
        try:
            self.journal.adopt(line)
        except OutputError as error:
            return str(error)
        self._let_go(below(below(self.out, RECORDS), record_name(self.journal.place(task))))
        return None

    def _let_go(self, record: str) -> None:
        """Remove a line that a worker left; at a URL only when the journal is there, which until then is a copy."""
        if is_remote(self.out):
            self._taken.append(record)
        else:
            remove(record)

    def close(self) -> None:
        """Bring the journal to its place."""
        if is_remote(self.out):
            file = self.roots.path("video") / JOURNAL
            if file.exists():
                publish(file, below(self.out, JOURNAL), lambda: None)
            for record in self._taken:
                remove(record)
        else:
            for name in (RECORDS, PIECES):
                with suppress(OSError):
                    Path(self.out, name).rmdir()


def _shown(place: str) -> str:
    from maskinfer.cluster.storage import shown

    return shown(place)


def _names_or_none(folder: str) -> list[str]:
    try:
        return names_in(folder)
    except SourceError:
        return []


def _executor(
    planned: Sequence[Planned], roots: Roots, ledger: Ledger, supervisor: Supervisor, meter: Meter
) -> Callable[[Sequence[VideoTask], Stopped], Iterator[JobSummary]]:
    """Return what does the videos on a cluster; an ``Executor``."""

    def execute(tasks: Sequence[VideoTask], stopped: Stopped) -> Iterator[JobSummary]:
        journal = ledger.journal
        jobs = [
            Job(
                i, one.place, task.shown_as, one.relative, journal.entry(task), journal.done_as(task), roots.files(task)
            )
            for i, (task, one) in enumerate(zip(tasks, planned, strict=True))
        ]
        for job, outcome in supervisor.run(jobs, stopped):
            meter.finish(job.id, planned[job.id].size, outcome.film_s, sum(outcome.faces.values()))
            yield _summary(tasks[job.id], outcome, ledger)

    return execute


def _summary(task: VideoTask, outcome: Outcome, ledger: Ledger) -> JobSummary:
    for line in outcome.warnings:
        _log.warning("%s", line)
    if outcome.was_done:
        return JobSummary(problems=ledger.journal.problems_of(outcome.key, task) or [], skipped=1)
    summary = JobSummary(outcome.frames, Counter(outcome.faces), problems=outcome.problems, film_s=outcome.film_s)
    problem = None if outcome.line is None else ledger.take(task, outcome.line)
    if problem is not None:
        summary.problems.append(problem)
    return summary


def _teller(meter: Meter, planned: Sequence[Planned], progress: Progress) -> Callable[[State], None]:
    def tell(state: State) -> None:
        for number, beat in state.beats.items():
            if number < len(planned):  # not a piece, whose faces the whole will count
                meter.reach(number, planned[number].size, beat.film_s, beat.faces)
        workers = f"{state.workers} workers on {state.nodes} nodes"
        meter.tell(progress, workers)

    return tell
