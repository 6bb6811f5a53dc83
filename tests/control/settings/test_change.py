from __future__ import annotations

from pathlib import Path

import pytest

from maskinfer.control.settings.change import save_zones
from maskinfer.control.settings.read import read_settings
from maskinfer.control.settings.types import LineSettings, ZoneSettings
from maskinfer.engine.errors import RequestError

pytest.importorskip("tomlkit")
FILE = """\
# Ours.
[[cameras]]
name = "door"  # the north door
url = "rtsp://${CAMERA}/main"

# Where people wait.
[[cameras.zones]]
name = "counter"
polygon = [[0, 0], [1, 0], [1, 1]]
hold_s = 2  # seconds

# The yard.
[[cameras]]
name = "yard"
url = "0"

[page]
listen = "127.0.0.1:8600"
"""
INLINE = 'cameras = [{name = "door", url = "1"}, {name = "yard", url = "0"}] # two\n'
AREA = ((0.123456, 0.2), (0.9, 0.2), (0.5, 0.9))
ENVIRON = {"CAMERA": "10.0.0.7"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "watch.toml"
    path.write_text(FILE)
    return path


def test_zones_are_written_and_comments_stay(file: Path) -> None:
    before = file.stat().st_mode
    lines = [LineSettings("step", ((0.0, 0.5), (1.0, 0.5)))]
    save_zones(file, "door", [ZoneSettings("counter", AREA, hold_s=2), ZoneSettings("b", AREA)], lines, environ=ENVIRON)
    door, yard = read_settings(file, environ=ENVIRON).cameras
    assert [zone.name for zone in door.zones] == ["counter", "b"]
    assert door.zones[0].polygon[0] == (0.1235, 0.2)
    assert (door.zones[0].hold_s, door.lines, yard.zones) == (2, tuple(lines), ())
    text = file.read_text()
    for comment in ("# Ours.", "# the north door", "# Where people wait.", "# seconds"):
        assert comment in text
    assert "${CAMERA}" in text
    assert "# The yard.\n[[cameras]]" in text
    assert file.stat().st_mode == before


def test_zones_of_a_camera_without_any_and_none_again(file: Path) -> None:
    save_zones(file, "yard", [ZoneSettings("gate", AREA, ("with_mask", "without_mask"), 0.5, 3)], [], environ=ENVIRON)
    assert read_settings(file, environ=ENVIRON).cameras[1].zones[0].allowed == ("with_mask", "without_mask")
    save_zones(file, "yard", [], [], environ=ENVIRON)
    save_zones(file, "door", [], [], environ=ENVIRON)
    assert not [camera.zones for camera in read_settings(file, environ=ENVIRON).cameras if camera.zones]
    assert "# The yard." in file.read_text()


def test_cameras_on_one_line(file: Path) -> None:
    file.write_text(INLINE)
    save_zones(file, "door", [ZoneSettings("a", AREA)], [])
    save_zones(file, "yard", [ZoneSettings("b", AREA)], [])
    assert [camera.zones[0].name for camera in read_settings(file).cameras] == ["a", "b"]
    assert "# two" in file.read_text()


@pytest.mark.parametrize(
    ("camera", "zones", "said"),
    [
        ("no", [], "there is no camera 'no'"),
        ("door", [ZoneSettings("a", AREA), ZoneSettings("a", AREA)], "two zones are named 'a'"),
        ("door", [ZoneSettings("a", ((0, 0), (2, 0), (1, 1)))], "expected a number from 0 to 1"),
        ("door", [ZoneSettings("a", AREA[:2])], "expected a list of 3"),
        ("door", [ZoneSettings("<b>", AREA)], "expected a name"),
    ],
)
def test_what_cannot_be_leaves_the_file_as_it_was(
    file: Path, camera: str, zones: list[ZoneSettings], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        save_zones(file, camera, zones, [], environ=ENVIRON)
    assert file.read_text() == FILE
    assert list(file.parent.iterdir()) == [file]
