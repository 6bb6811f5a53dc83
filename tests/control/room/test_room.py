"""A real room before real RTSP cameras."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.control.room.state import CameraState
from maskinfer.control.settings.types import (
    CameraSettings,
    LineSettings,
    RecordingSettings,
    Settings,
    ZoneSettings,
)
from maskinfer.control.store.questions import StoredVisit, VisitQuery
from maskinfer.engine.errors import OutputError, RequestError, SourceError
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.sources.video import open_video
from maskinfer.engine.visits.visit import VisitChange
from tests.control.room.conftest import RunRoom
from tests.helpers.clips import write_clip
from tests.helpers.rtsp import RtspServer, needs_rtsp
from tests.helpers.running_room import Running
from tests.helpers.serving import RATE, scene
from tests.helpers.waiting import wait_until

pytestmark = needs_rtsp
LATELY = VisitQuery(from_at=local_now() - timedelta(minutes=1))
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.fixture
def door(door_clip: Path) -> Iterator[RtspServer]:
    server = RtspServer(door_clip)
    yield server
    server.kill()


@pytest.fixture
def yard(door_clip: Path) -> Iterator[RtspServer]:
    server = RtspServer(door_clip)
    yield server
    server.kill()


def state_of(running: Running, camera: str) -> CameraState:
    return next(state for state in running.room.cameras() if state.name == camera)


def is_in(running: Running, camera: str, state: str) -> bool:
    return state_of(running, camera).state == state


def test_who_comes_is_in_the_store_and_on_the_live_picture(
    run_room: RunRoom, door: RtspServer, portrait: BGRFrame
) -> None:
    with run_room(Settings((CameraSettings("door", door.url, zones=(ZoneSettings("hall", WHOLE),)),))) as running:
        room = running.room
        assert room.live_jpeg("door", blurred=False) is None
        wait_until(lambda: state_of(running, "door").faces.get("without_mask"))
        state = state_of(running, "door")
        assert (state.state, state.size_wh, state.mode) == ("running", (320, 240), "auto")
        assert state.zone_faces == {"hall": {"without_mask": 1}}
        clear, blurred = (room.live_jpeg("door", blurred=how) for how in (False, True))
        assert clear is not None
        assert blurred is not None
        assert clear[1] != blurred[1]
        assert cv2.imdecode(np.frombuffer(clear[1], np.uint8), cv2.IMREAD_COLOR).shape == (240, 320, 3)
        assert room.snapshot("door") is not None
        assert room.snapshot("no") is room.live_jpeg("no", blurred=False) is None
        wait_until(lambda: running.store.visits(VisitQuery(only_violations=True)))
        wait_until(lambda: [one for one in running.store.visits(VisitQuery()) if one.visit.ended])
        counters = room.counters.cameras["door"]
        assert counters.visits["without_mask"] >= 1
        assert counters.violations["hall", "without_mask"] >= 1
    assert not [line for line in running.lines if "hunter2" in line]


def test_a_live_picture_is_made_no_more_often_than_allowed(run_room: RunRoom, door: RtspServer) -> None:
    settings = Settings((CameraSettings("door", door.url),))
    with run_room(replace(settings, page=replace(settings.page, live_fps=0.001))) as running:
        wait_until(lambda: running.room.live_jpeg("door", blurred=False))
        first, frames = running.room.live_jpeg("door", blurred=False), running.room.counters.cameras["door"].frames
        wait_until(lambda: running.room.counters.cameras["door"].frames > frames + 10)
        assert running.room.live_jpeg("door", blurred=False) == first


def test_a_camera_that_is_killed_and_comes_back(run_room: RunRoom, door: RtspServer, yard: RtspServer) -> None:
    cameras = CameraSettings("door", door.url), CameraSettings("yard", yard.url)
    with run_room(Settings(cameras)) as running:
        wait_until(lambda: is_in(running, "door", "running") and is_in(running, "yard", "running"))
        wait_until(lambda: [one for one in running.store.visits(VisitQuery(camera="door")) if not one.visit.ended])
        door.kill()
        wait_until(lambda: is_in(running, "door", "lost"))
        state = state_of(running, "door")
        assert "door" in state.reason
        assert "127.0.0.1" not in state.reason
        assert state.faces == {}
        frames = running.room.counters.cameras["yard"].frames
        wait_until(lambda: running.room.counters.cameras["yard"].frames > frames + 5)
        door.start()
        wait_until(lambda: is_in(running, "door", "running"))
        wait_until(lambda: running.room.counters.cameras["door"].returns == 1)
        running.store.flush()
        spans = [span for span in running.store.watched(VisitQuery(from_at=local_now() - timedelta(minutes=5)))
                 if span.camera == "door" and span.state != "stopped"]  # fmt: skip
        assert [span.state for span in spans] == ["watched", "lost", "watched"]
        ended = {one.visit.ended for one in running.store.visits(VisitQuery(camera="door"))}
        assert "camera lost" in ended


def test_a_camera_that_is_down_at_the_start_counts_as_lost(run_room: RunRoom) -> None:
    with run_room(
        Settings((CameraSettings("door", "rtsp://guard:hunter2@127.0.0.1:9/secret-path-0123456789"),))
    ) as running:
        wait_until(lambda: state_of(running, "door").reason)
        wait_until(lambda: "lost" in [span.state for span in running.store.watched(LATELY)])
        state = state_of(running, "door")
        assert state.state == "no frame yet"
        assert not [word for word in ("127", "secret", "hunter2", "rtsp") if word in state.reason]


def test_who_is_there_when_a_recording_ends_is_there_no_longer(
    run_room: RunRoom, portrait: BGRFrame, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "short.mp4", [scene(portrait, i) for i in range(2 * RATE)], rate=RATE)
    with run_room(Settings((CameraSettings("film", str(clip)),))) as running:
        wait_until(lambda: is_in(running, "film", "ended"))
        wait_until(lambda: [one.visit.ended for one in running.store.visits(VisitQuery())] == ["stopped"])


def test_pausing_and_going_on_with_the_other_camera_undisturbed(
    run_room: RunRoom, door: RtspServer, yard: RtspServer
) -> None:
    cameras = CameraSettings("door", door.url), CameraSettings("yard", yard.url)
    with run_room(Settings(cameras)) as running:
        wait_until(lambda: is_in(running, "door", "running") and is_in(running, "yard", "running"))
        running.room.pause("door", True)
        assert is_in(running, "door", "paused")
        assert state_of(running, "door").mode == "paused"
        frames = running.room.counters.cameras["door"].frames
        yard_frames = running.room.counters.cameras["yard"].frames
        wait_until(lambda: running.room.counters.cameras["yard"].frames > yard_frames + 20)
        assert running.room.counters.cameras["door"].frames == frames
        running.room.pause("door", False)
        wait_until(lambda: is_in(running, "door", "running"))
        wait_until(lambda: running.store.visits(VisitQuery(camera="door")))
        with pytest.raises(RequestError, match="no camera 'no', expected one of door, yard"):
            running.room.pause("no", True)
        running.store.flush()
        spans = running.store.watched(VisitQuery(from_at=local_now() - timedelta(minutes=5), camera="door"))
        assert "paused" in [span.state for span in spans]
        ids = [one.visit.id for one in running.store.visits(VisitQuery())]
        assert len(ids) == len(set(ids))
        assert running.room.counters.cameras["yard"].returns == 0


def test_off_hours_and_watching_in_spite_of_them(run_room: RunRoom, door: RtspServer) -> None:
    past = (local_now() - timedelta(hours=3)).strftime("%H:%M")
    later = (local_now() - timedelta(hours=2)).strftime("%H:%M")
    with run_room(Settings((CameraSettings("door", door.url, active=(f"{past}-{later}",)),))) as running:
        wait_until(lambda: is_in(running, "door", "off hours"))
        assert running.room.live_jpeg("door", blurred=False) is None
        running.room.set_mode("door", "always")
        wait_until(lambda: is_in(running, "door", "running"))


def write_settings(path: Path, *cameras: tuple[str, str], more: str = "") -> Path:
    path.write_text(
        "".join(f'[[cameras]]  # {name}\nname = "{name}"\nurl = "{url}"\n\n' for name, url in cameras) + more
    )
    return path


def test_zones_that_are_saved_are_in_force_and_nobody_loses_a_frame(
    run_room: RunRoom, door: RtspServer, yard: RtspServer, tmp_path: Path
) -> None:
    from maskinfer.control.settings.read import read_settings

    file = write_settings(tmp_path / "watch.toml", ("door", door.url), ("yard", yard.url))
    with run_room(read_settings(file), file) as running:
        wait_until(lambda: is_in(running, "door", "running") and is_in(running, "yard", "running"))
        zone, line = (
            ZoneSettings("hall", WHOLE, ("with_mask", "without_mask")),
            LineSettings("step", ((0, 0.5), (1, 0.5))),
        )
        running.room.save_zones("door", [zone], [line])
        state = state_of(running, "door")
        assert (state.zones, state.lines) == ((zone,), (line,))
        assert "# yard" in file.read_text()
        since = local_now()  # who is there already may have been in a violation
        wait_until(lambda: [one for one in running.store.visits(VisitQuery(from_at=since, camera="door"))
                            if one.visit.ended == "left" and one.visit.zones == ("hall",)])  # fmt: skip
        allowed = running.store.visits(VisitQuery(from_at=since, camera="door"))
        assert not [one for one in allowed if one.visit.violations]
        with pytest.raises(RequestError, match="two zones"):
            running.room.save_zones("door", [zone, zone], [])
        assert [running.room.counters.cameras[name].returns for name in ("door", "yard")] == [0, 0]
        assert not [line for line in running.lines if "lost" in line or "is back" in line]


def test_zones_need_a_file(run_room: RunRoom, door: RtspServer) -> None:
    with (
        run_room(Settings((CameraSettings("door", door.url),))) as running,
        pytest.raises(RequestError, match="--init"),
    ):
        running.room.save_zones("door", [], [])


class Failing:
    def __init__(self) -> None:
        self.asked = 0
        self.outboxes: dict[str, Outbox] = {}

    def changed(self, change: VisitChange, stored: StoredVisit) -> None:
        self.asked += 1
        raise OutputError("the receiver is gone")

    def camera(self, state: CameraState) -> None:
        raise RuntimeError("broken")

    def close(self) -> list[str]:
        return []


class Noting(Failing):
    def __init__(self) -> None:
        super().__init__()
        self.changes: list[VisitChange] = []
        self.states: list[CameraState] = []

    def changed(self, change: VisitChange, stored: StoredVisit) -> None:
        assert stored.visit.id == change.visit.id
        self.changes.append(change)

    def camera(self, state: CameraState) -> None:
        self.states.append(state)


def test_a_publisher_that_fails_costs_nobody_anything(run_room: RunRoom, door: RtspServer) -> None:
    failing, noting = Failing(), Noting()
    with run_room(
        Settings((CameraSettings("door", door.url),)),
        prepare=lambda running: [running.room.publish_to(lambda settings, one=one: one) for one in (failing, noting)],
    ) as running:
        wait_until(lambda: {"began", "settled", "violation", "ended"} <= {change.kind for change in noting.changes})
        assert failing.asked >= 4
    assert [state.state for state in noting.states][-1] == "running"
    assert [line for line in running.lines if "Failing" in line] == [
        "Failing failed: RuntimeError: broken", "Failing failed: OutputError: the receiver is gone",
    ]  # fmt: skip


def test_images_that_wait_together_are_labelled(run_room: RunRoom, portrait_jpg: Path, door: RtspServer) -> None:
    data = portrait_jpg.read_bytes()
    with run_room(Settings((CameraSettings("door", door.url),))) as running:
        results: list[str] = []
        threads = [
            threading.Thread(
                target=lambda: results.extend(one.faces[0].label for one in running.room.infer([data, data]))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["without_mask"] * 16
        with pytest.raises(SourceError, match="image 2 of 2 is not an image"):
            running.room.infer([data, b"no image"])
        room = running.room
    with pytest.raises(OutputError, match="is ending"):
        room.infer([data])


def test_a_recording_is_the_stream_in_files_that_can_be_watched(run_room: RunRoom, door: RtspServer) -> None:
    camera = CameraSettings("front door", door.url, record=True)
    with run_room(Settings((camera,), recording=RecordingSettings(segment_s=2))) as running:
        wait_until(lambda: running.store.usage().recordings >= 3)
        door.kill()
        wait_until(lambda: is_in(running, "front door", "lost"))
        door.start()
        wait_until(lambda: [line for line in running.lines if line == "front door is recorded again"])
        recordings = running.store.recordings("front door", local_now() - timedelta(minutes=5), local_now())
        files = [running.store.recording(one.id) for one in recordings]
        assert all(one.from_at < one.to_at for one in recordings)
    for file in files[:-1]:
        assert file is not None
        with open_video(file) as video:
            frames = list(video)
        assert frames[0].bgr.shape == (240, 320, 3)
        assert 0 < frames[-1].time_s < 3.2
    assert not [line for line in running.lines if "hunter2" in line]


def test_a_disk_that_is_nearly_full_stops_recordings_and_nothing_else(run_room: RunRoom, door: RtspServer) -> None:
    def fill(running: Running) -> None:
        from maskinfer.control.store.retention import Retention

        running.store.keep(Retention(min_free_bytes=2**60))

    camera = CameraSettings("door", door.url, record=True)
    with run_room(Settings((camera,), recording=RecordingSettings(segment_s=2)), prepare=fill) as running:
        wait_until(lambda: [line for line in running.lines if "recordings stop below" in line])
        wait_until(lambda: running.store.visits(VisitQuery()))
        assert running.store.usage().recordings == 0
