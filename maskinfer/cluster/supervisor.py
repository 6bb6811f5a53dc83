"""The command's side: who has which job, what is tried again, and what to do when the whole cluster is gone."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskinfer.cluster.jobs import Job, Outcome, Setup
from maskinfer.cluster.messages import LOCAL, Died, Done, Hello, Lost, State
from maskinfer.engine.errors import ClusterError, nothing_begun
from maskinfer.engine.files.scratch import scratch_folder

ATTEMPTS = 3
"""So often a video is tried before it fails."""
# Machines that are taken away and come back are no fault of a video, but a video that takes machines down is.
_MOST_NODES_LOST = 10
_PATIENCE_S = 600.0
_POLL_S = 0.2


class _Link:
    """The process that speaks with Ray, and what it says."""

    def __init__(self, hello: Hello) -> None:
        self.said: queue.Queue[Any] = queue.Queue()
        # In a session of its own, so that Ctrl-C reaches the command alone.
        with _log() as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "maskinfer.cluster.link"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.send(hello)
        self._reader = threading.Thread(target=self._read, daemon=True, name="link")
        self._reader.start()

    def send(self, message: Any) -> None:
        stdin = self._process.stdin
        with suppress(BrokenPipeError):
            if stdin is not None:
                pickle.dump(message, stdin)
                stdin.flush()

    def _read(self) -> None:
        while self._process.stdout is not None:
            try:
                self.said.put(pickle.load(self._process.stdout))
            except Exception:  # it has ended, however
                break
        self.said.put(None)

    def close(self) -> None:
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()


@contextmanager
def _log() -> Iterator[Any]:
    """Give where what Ray prints goes: the file that an environment variable names, or nowhere."""
    name = os.environ.get("MASKINFER_RAY_LOG")
    if not name:
        yield subprocess.DEVNULL
        return
    with Path(name).open("ab") as file:
        yield file


@dataclass(slots=True)
class _Progress:
    """How far a video is."""

    attempts: int = 0
    nodes_lost: int = 0
    left: set[int] = field(default_factory=set)  # its pieces


@dataclass(slots=True)
class Supervisor:
    """Has jobs done on a cluster.

    Attributes:
        address: of the cluster; ``local`` for one that is begun on this machine.
        setup: of the workers.
        on_state: called now and then with how things stand.
        say: called with a line of news.
        counts: attempts and pieces that were done, and what was tried again.
    """

    address: str
    setup: Setup
    on_state: Callable[[State], None]
    say: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    _flying: dict[int, Job] = field(default_factory=dict)
    _of: dict[int, _Progress] = field(default_factory=dict)
    _wholes: dict[int, Job] = field(default_factory=dict)  # the video of each piece
    _next_id: int = 0

    def run(self, jobs: Sequence[Job], stopped: Callable[[], int]) -> Iterator[tuple[Job, Outcome]]:
        """Yield what became of each video, as they come; a failure is the last one.

        Raises:
            ClusterError: there is no cluster, or it was gone for too long.
        """
        self._next_id = max((job.id for job in jobs), default=0) + 1
        todo = {job.id for job in jobs}
        self._flying = {job.id: job for job in jobs}
        link, seen_s = None, None
        # Ray keeps its logs for good.
        with scratch_folder("ray", _short_place()) as folder:
            try:
                while todo and not stopped():
                    if link is None:
                        link = self._open(str(folder))
                    try:
                        message = link.said.get(timeout=_POLL_S)
                    except queue.Empty:
                        continue
                    if isinstance(message, State):
                        seen_s = time.monotonic()
                        self.on_state(message)
                    elif isinstance(message, (Done, Died)):
                        for job, outcome in self._after(message, link):
                            todo.discard(job.id)
                            yield job, outcome
                    else:
                        link.close()
                        link = None
                        self._lost(message, seen_s)
            finally:
                if link is not None:
                    link.close()

    def _open(self, folder: str) -> _Link:
        link = _Link(Hello(self.address, self.setup, folder))
        for job in self._flying.values():
            link.send(job)
        return link

    def _lost(self, message: Lost | None, seen_s: float | None) -> None:
        reason = "it broke off" if message is None else message.reason
        where = "on this machine" if self.address == LOCAL else f"at {self.address}"
        if message is not None and message.is_ours:
            raise ClusterError(f"the workers of the cluster {where} cannot begin: {reason}")
        if seen_s is None:
            with nothing_begun():
                raise ClusterError(f"there is no Ray cluster {where} that can be used: {reason}")
        if time.monotonic() - seen_s > _PATIENCE_S:
            raise ClusterError(f"the cluster {where} has been gone for {_PATIENCE_S / 60:.0f} minutes: {reason}")
        self.counts["cluster lost"] += 1
        if time.monotonic() - seen_s < 3 * _POLL_S or message is None:
            self.say(f"the cluster {where} is gone; waiting for it to come back")
        time.sleep(2.0)

    def _after(self, message: Done | Died, link: _Link) -> Iterator[tuple[Job, Outcome]]:
        job = self._flying.pop(message.job, None)
        if job is None:
            return
        if isinstance(message, Died):
            yield from self._again(job, message.reason, message.node, message.is_node, link)
        elif message.outcome.failure is not None:
            failed = message.outcome
            yield from self._again(job, failed.failure or "", failed.node, False, link)
        elif message.outcome.split:
            self._split(job, message.outcome, link)
        elif job.piece is not None:
            self.counts["pieces"] += 1
            self._piece_is_over(job, link)
        else:
            self.counts["videos"] += not message.outcome.was_done
            yield job, message.outcome

    def _again(self, job: Job, reason: str, node: str, is_node: bool, link: _Link) -> Iterator[tuple[Job, Outcome]]:
        """Try a job once more, or give it up."""
        so_far = self._of.setdefault(job.id, _Progress())
        so_far.nodes_lost += is_node
        so_far.attempts += not is_node
        self.counts["tried again"] += 1
        if so_far.attempts < ATTEMPTS and so_far.nodes_lost < _MOST_NODES_LOST:
            self._send(replace(job, avoid=job.avoid if is_node else job.avoid | {node}), link)
        elif job.piece is not None:  # the whole will do without it
            self._piece_is_over(job, link)
        else:
            self.counts["tried again"] -= 1
            line = reason if job.name in reason else f"{job.name}: {reason}"
            yield job, Outcome(problems=[line], failure=line)

    def _split(self, job: Job, outcome: Outcome, link: _Link) -> None:
        whole = replace(job, pieces=outcome.split, may_split=False)
        so_far = self._of.setdefault(job.id, _Progress())
        for piece in outcome.split:
            part = replace(job, id=self._next_id, piece=piece, may_split=False)
            self._next_id += 1
            so_far.left.add(part.id)
            self._wholes[part.id] = whole
            self._send(part, link)

    def _piece_is_over(self, job: Job, link: _Link) -> None:
        whole = self._wholes.pop(job.id)
        left = self._of[whole.id].left
        left.discard(job.id)
        if not left:
            self._send(whole, link)

    def _send(self, job: Job, link: _Link) -> None:
        self._flying[job.id] = job
        link.send(job)


def _short_place() -> str | None:
    """Return a folder for sockets, whose paths may have 103 letters, of which Ray needs 70; None for the usual one."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > 12 and os.access("/tmp", os.W_OK | os.X_OK) else None
