"""What every implementation of ``Room`` keeps: the real ones, and those that other tests show pages of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.control.room.state import CameraState, Room
from maskinfer.control.settings.read import read_settings
from maskinfer.control.settings.types import LineSettings, Settings, ZoneSettings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceError
from tests.helpers.recorded_room import RecordedRoom, demo
from tests.helpers.running_room import running_room
from tests.helpers.serving import LOOK
from tests.helpers.small_room import SmallRoom
from tests.helpers.waiting import wait_until

HALL = ZoneSettings("hall", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
GATE = LineSettings("gate", ((0.1, 0.5), (0.9, 0.5)))
NAMES = ["door", "yard"]


@pytest.fixture(scope="module", params=["in this process", "in two processes", "recorded", "small"])
def room(
    request: pytest.FixtureRequest, room_engine: Engine, door_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    file = folder / "watch.toml"
    cameras = "".join(
        f'[[cameras]]\nname = "{name}"\nurl = "{door_clip}"\n[[cameras.zones]]\nname = "all"\n'
        "polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n"
        for name in NAMES
    )
    file.write_text(f"{cameras}{LOOK}")
    settings = read_settings(file)
    with opened(request.param, folder, settings, file, room_engine) as one:
        yield one


@contextmanager
def opened(kind: str, folder: Path, settings: Settings, file: Path, engine: Engine) -> Iterator[Room]:
    if kind in ("recorded", "small"):
        with Store.open(folder / "store") as store:
            yield RecordedRoom(store, settings, demo()) if kind == "recorded" else SmallRoom(store, settings)
        return
    with running_room(folder / "store", settings, engine if "this" in kind else None, file=file) as running:
        yield running.room


def state_of(room: Room, name: str) -> CameraState:
    return next(state for state in room.cameras() if state.name == name)


def decoded(jpeg: bytes) -> tuple[int, ...]:
    assert jpeg.startswith(b"\xff\xd8")
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape


def test_cameras_come_in_the_order_of_the_settings_with_their_zones(room: Room) -> None:
    assert [state.name for state in room.cameras()] == NAMES == [one.name for one in room.settings.cameras]
    wait_until(lambda: {state.state for state in room.cameras()} == {"running"})
    for state, settings in zip(room.cameras(), room.settings.cameras, strict=True):
        assert (state.zones, state.lines, state.mode) == (settings.zones, settings.lines, "auto")
        assert state.reason == ""


def test_live_pictures_have_numbers_that_grow_with_them(room: Room) -> None:
    wait_until(lambda: room.live_jpeg("door", blurred=False))
    number, jpeg = room.live_jpeg("door", blurred=False) or (0, b"")
    assert decoded(jpeg)[2] == 3
    wait_until(lambda: (room.live_jpeg("door", blurred=False) or (0, b""))[0] > number)
    assert room.live_jpeg("door", blurred=True)
    _, small = room.live_jpeg("door", blurred=False, small=True) or (0, b"")
    assert decoded(small)[1] <= 640


def test_snapshots_have_the_size_of_live_pictures(room: Room) -> None:
    wait_until(lambda: room.snapshot("yard") and room.live_jpeg("yard", blurred=False))
    _, live = room.live_jpeg("yard", blurred=False) or (0, b"")
    assert decoded(room.snapshot("yard") or b"") == decoded(live)


def test_an_unknown_camera_has_no_picture_and_cannot_be_changed(room: Room) -> None:
    assert room.live_jpeg("no", blurred=False) is room.snapshot("no") is None
    for change in (
        lambda: room.pause("no", True),
        lambda: room.set_mode("no", "always"),
        lambda: room.save_zones("no", [HALL], []),
    ):
        with pytest.raises(RequestError, match="there is no camera"):
            change()


def test_a_paused_camera_says_so_until_it_is_watched_again(room: Room) -> None:
    room.pause("door", True)
    assert state_of(room, "door").mode == "paused"
    wait_until(lambda: state_of(room, "door").state == "paused")
    assert state_of(room, "yard").mode == "auto"
    room.set_mode("door", "always")
    assert state_of(room, "door").mode == "always"
    wait_until(lambda: state_of(room, "door").state == "running")
    room.pause("door", False)
    assert state_of(room, "door").mode == "auto"


def test_saved_zones_are_in_force_at_once(room: Room) -> None:
    room.save_zones("door", [HALL], [GATE])
    for found in (state_of(room, "door"), room.settings.cameras[0]):
        assert (found.zones, found.lines) == ((HALL,), (GATE,))
    assert [zone.name for zone in state_of(room, "yard").zones] == ["all"]
    with pytest.raises(RequestError, match="a name of its own"):
        room.save_zones("door", [HALL, HALL], [])
    assert state_of(room, "door").zones == (HALL,)


def test_images_get_their_results_in_their_order(room: Room, portrait_jpg: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    cv2.imwrite(str(wide), np.zeros((40, 90, 3), np.uint8))
    found = room.infer([portrait_jpg.read_bytes(), wide.read_bytes()])
    assert [result.size_wh for result in found] == [(512, 512), (90, 40)]
    with pytest.raises(SourceError):
        room.infer([b"this is no image"])


def test_figures_are_of_cameras_that_are_there_and_never_fall(room: Room) -> None:
    before = room.counters
    assert before.started_at.tzinfo is not None
    assert set(before.cameras) <= set(NAMES)
    assert len(before.models.counts) == len(before.models.bounds_s) + 1
    after = room.counters
    assert after.started_at == before.started_at
    for name, counters in before.cameras.items():
        assert after.cameras[name].frames >= counters.frames


def test_the_store_can_be_asked_while_all_goes_on(room: Room) -> None:
    assert isinstance(room.store.visits(VisitQuery()), list)
    assert room.store.usage().visits >= 0
