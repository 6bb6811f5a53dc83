"""Several real processes that look at the cameras of one watch, and what comes of the death of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from maskinfer.control.room.state import CameraState
from maskinfer.control.settings.read import read_settings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.control.workers import process
from maskinfer.control.workers.client import Client
from maskinfer.control.workers.process import ENDED
from maskinfer.control.workers.processes import Processes, shared_out
from maskinfer.engine.errors import ModelNotFoundError
from maskinfer.engine.sinks.run import local_now
from tests.helpers.running_room import Running, running_room
from tests.helpers.serving import LOOK, serving
from tests.helpers.waiting import wait_until

NAMES = ("door", "yard", "hall")


@pytest.fixture
def file(tmp_path: Path, door_clip: Path) -> Path:
    path = tmp_path / "watch.toml"
    cameras = "".join(f'[[cameras]]\nname = "{name}"\nurl = "{door_clip}"\n' for name in NAMES)
    path.write_text(f'{cameras}[page]\nlisten = "127.0.0.1:0"\n{LOOK}')
    return path


@pytest.fixture
def running(file: Path, tmp_path: Path) -> Iterator[Running]:
    with running_room(tmp_path / "store", read_settings(file), None, file=file) as one:
        yield one


def processes(running: Running) -> Processes:
    assert isinstance(running.watching, Processes)
    return running.watching


def state_of(running: Running, name: str) -> CameraState:
    return next(state for state in running.room.cameras() if state.name == name)


def test_all_cameras_are_in_one_store_and_each_visit_once(running: Running) -> None:
    assert len(processes(running).workers) == 2
    heard: list[tuple[str, str]] = []
    running.store.listen(lambda stored, change: heard.append((change.visit.id, change.kind)))
    wait_until(lambda: {one.visit.camera for one in running.store.visits(VisitQuery(only_violations=True))} == {*NAMES})
    wait_until(lambda: [one for one in running.store.visits(VisitQuery()) if one.visit.ended])
    stored = running.store.visits(VisitQuery())
    assert all(one.pictures for one in stored if one.visit.violations)
    began = [key for key in heard if key[1] in ("began", "ended")]
    assert len(began) == len(set(began))
    counters = running.room.counters
    assert set(counters.cameras) == {*NAMES}
    assert sum(sum(one.violations.values()) for one in counters.cameras.values()) >= 3
    assert sum(counters.models.counts) > 0


def test_a_process_that_dies_is_started_again_and_its_cameras_are_not_watched_meanwhile(running: Running) -> None:
    room = running.room
    wait_until(lambda: {state.state for state in room.cameras()} == {"running"})
    wait_until(lambda: [one for one in running.store.visits(VisitQuery(camera="door")) if one.visit.ended is None])
    room.set_mode("hall", "paused")
    wait_until(lambda: state_of(running, "hall").state == "paused")
    frames = room.counters.cameras["door"].frames
    number, _ = room.live_jpeg("door", blurred=False) or (0, b"")
    first = processes(running).workers[0]
    pid = first.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: state_of(running, "door").state == "lost")
    assert state_of(running, "door").reason == ENDED
    assert state_of(running, "yard").state == "running"
    wait_until(lambda: state_of(running, "door").state == "running")
    assert first.pid not in (None, pid)
    assert "process 1 of the watch ended, and is started again" in running.lines
    wait_until(lambda: state_of(running, "hall").state == "paused")
    wait_until(lambda: (room.live_jpeg("door", blurred=False) or (0, b""))[0] > number)
    assert room.counters.cameras["door"].frames >= frames
    running.store.flush()
    spans = running.store.watched(VisitQuery(from_at=local_now() - timedelta(minutes=5), camera="door"))
    gaps = [span for span in spans if span.reason]
    assert [span.state for span in gaps] == ["stopped"]
    assert [one for one in running.store.visits(VisitQuery(camera="door")) if one.visit.ended == "stopped"]


def test_other_settings_reach_the_processes_and_cameras_stay_where_they_are(running: Running, file: Path) -> None:
    room = running.room
    wait_until(lambda: {state.state for state in room.cameras()} == {"running"})
    frames = room.counters.cameras["yard"].frames
    text = file.read_text().replace('name = "hall"', 'name = "gate"')
    file.write_text(text.replace('name = "yard"', 'name = "yard"\nmax_fps = 100'))
    running.watching.call(room._reload)
    assert [state.name for state in room.cameras()] == ["door", "yard", "gate"]
    wait_until(lambda: state_of(running, "gate").state == "running")
    wait_until(lambda: room.counters.cameras["yard"].frames > frames)
    running.store.flush()
    spans = running.store.watched(VisitQuery(from_at=local_now() - timedelta(minutes=5), camera="hall"))
    assert spans[-1].reason == "it is not in the settings any more"


def test_a_process_answers_nobody_without_its_token(running: Running) -> None:
    client = processes(running).workers[0]._client
    assert client is not None
    assert client.ask("/snapshot", camera="door").status in (200, 204)
    assert client.ask("/nothing").status == 404
    assert client.ask("/news", after="x", wait_s=0).status == 400
    for token in ("another", ""):
        stranger = Client(client._port, token)
        assert stranger.ask("/snapshot", camera="door").status == 401
        assert stranger.ask("/end", b"").status == 401
        stranger.close()


def test_a_model_that_is_not_there_is_told_as_in_one_process(file: Path, tmp_path: Path) -> None:
    settings = read_settings(file)
    settings = replace(settings, models=replace(settings.models, classifier=str(tmp_path / "no.onnx")))
    with (
        Store.open(tmp_path / "store") as store,
        pytest.raises(ModelNotFoundError, match=r"no\.onnx"),
        Processes(settings, store, count=2, say=lambda line: None),
    ):
        pass


def test_a_camera_stays_with_its_process() -> None:
    shares = shared_out(["a", "b", "c", "d"], 2, {})
    assert sorted(shares.values()) == [0, 0, 1, 1]
    assert shared_out(["d", "c", "e"], 2, shares) == {"d": shares["d"], "c": shares["c"], "e": 0}


def children(parent: int) -> list[int]:
    pids = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]
    return [pid for pid in pids if fate(pid)[1:2] == [str(parent)]]


def fate(pid: int) -> list[str]:
    """The state of a process, its parent, and more; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)], ids=["ended", "killed"])
def test_no_process_outlives_the_command(file: Path, how: signal.Signals, code: int) -> None:
    with serving(file.parent, "watch.toml", "--processes", "3", "--no-page") as served:
        served.wait_for("3 processes look at the cameras")
        served.wait_for("watching 3 cameras")
        begun = children(served.process.pid)
        assert len(begun) == 3
        assert served.end(how) == code
        wait_until(lambda: not [pid for pid in begun if fate(pid)[:1] not in ([], ["Z"])])
        assert not [line for line in served.lines if "Traceback" in line or "Error" in line], served.lines


def test_a_process_that_hangs_is_told_and_replaced(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until(lambda: {state.state for state in running.room.cameras()} == {"running"})
    monkeypatch.setattr(process, "_LATE_S", 1.0)
    monkeypatch.setattr(process, "_NEWS_S", 4.0)
    first = processes(running).workers[0]
    pid = first.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: "does not answer" in state_of(running, "door").reason)
    assert running.room.live_jpeg("door", blurred=False) is None
    monkeypatch.undo()
    wait_until(lambda: first.pid not in (None, pid))
    wait_until(lambda: state_of(running, "door").state == "running")


def test_how_cameras_look_reaches_the_store_from_every_process(file: Path, tmp_path: Path) -> None:
    with running_room(tmp_path / "store", read_settings(file), None, file=file) as running:
        wait_until(lambda: len(running.store.visits(VisitQuery())) >= len(NAMES))
    with Store.open(tmp_path / "store", readonly=True) as store:
        drifts = store.drifts()
    assert set(drifts) == {*NAMES}
    assert {drift.state for drift in drifts.values()} == {"learning"}
    assert all(drift.people >= 1 for drift in drifts.values())
