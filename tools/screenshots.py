"""``python -m tools.screenshots`` draws the documentation's pictures of the control room, a report, and labelling.

A real Chromium looks at the page of a store that is filled with a made-up day, and at the page of ``maskinfer label``
for what was collected of ``samples/demo.mp4``; all faces are from there.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image

from maskinfer.control.report.page import embed_pictures, report_html
from maskinfer.control.report.picture import report_png
from maskinfer.control.report.report import make_report
from maskinfer.control.settings.types import CameraSettings, LineSettings, PageSettings, Settings, ZoneSettings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.control.web.serve import open_page
from maskinfer.site.label.queue import Queue
from maskinfer.site.label.serve import open_label_page
from tests.helpers.chromium import Page, open_chromium
from tests.helpers.recorded_room import RecordedRoom, come, demo, fill_day

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "control-room"
DOOR = ROOT / "docs" / "own-door"
SIZE_WH = (1280, 860)
REPORT_WH = (1000, 1060)
LABEL_WH = (1000, 770)
COLOURS = 256


def main() -> None:
    """Write all pictures."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store") as store:
        day = _fill(store)
        room = RecordedRoom(store, _settings(), demo())
        room.still = next(i for i, (_, result) in enumerate(demo().frames) if len(result.faces) == 3)
        with open_page(room) as url, open_chromium() as page:
            for name, path in {
                "live": "",
                "today": f"today?day={day}",
                "zones": "cameras/zones?camera=Main%20entrance",
            }.items():
                _shoot(page, f"{url}{path}", name, SIZE_WH, dark=name == "live")
            report = Path(folder) / "report.html"
            begin = datetime.fromisoformat(day).astimezone()
            made = make_report(store, VisitQuery(from_at=begin, to_at=begin + timedelta(days=1)))
            report.write_text(report_html(made, embed_pictures(store)), encoding="utf-8")
            _shoot(page, report.as_uri(), "report", REPORT_WH)
            picture = Image.open(io.BytesIO(report_png(made))).convert("RGB")
            picture.resize((picture.width // 2, picture.height // 2)).save(DOCS / "report-picture.png", optimize=True)
            _shoot_label(page, Path(folder) / "site")


def _shoot_label(page: Page, site: Path) -> None:
    """Write a picture of the page of labels."""
    DOOR.mkdir(exist_ok=True)
    source = f"door={ROOT / 'samples' / 'demo.mp4'}"
    command = [sys.executable, "-m", "maskinfer", "collect", source, "--out", str(site)]
    subprocess.run(command, check=True, capture_output=True)
    with open_label_page(Queue(site, "you"), site, 0) as url:
        _shoot(page, url, "label", LABEL_WH, folder=DOOR)


def _settings() -> Settings:
    zones = (
        ZoneSettings("Reception", ((0.05, 0.3), (0.5, 0.25), (0.55, 0.95), (0.05, 0.95))),
        ZoneSettings("Hall", ((0.6, 0.3), (0.95, 0.3), (0.95, 0.9), (0.6, 0.9)), ("with_mask", "incorrect_mask")),
    )
    line = LineSettings("Door", ((0.1, 0.8), (0.9, 0.75)))
    cameras = (CameraSettings("Main entrance", "0", zones=zones, lines=(line,)), CameraSettings("Back door", "1"))
    return Settings(cameras, page=PageSettings(listen="127.0.0.1:0"))


def _fill(store: Store) -> str:
    now = datetime.now().astimezone()
    evening = (now - timedelta(days=1)).replace(hour=19, minute=0)
    fill_day(store, demo(), evening, people=140)
    for camera, kind, hour, minute in (
        *(("Main entrance", "connected", 0, 1), ("Back door", "connected", 0, 1)),
        *(("Back door", "lost", 6, 11), ("Back door", "connected", 6, 52)),
    ):
        at = evening.replace(hour=hour, minute=minute)
        store.camera_event(camera, kind, at, "")  # type: ignore[arg-type]
    midnight = now.replace(hour=0, minute=0, second=0)
    for number, label in enumerate(["with_mask"] * 9 + ["without_mask", "incorrect_mask", "without_mask"], 1000):
        at = max(midnight, now - timedelta(minutes=1012 - number))
        come(store, demo(), "Main entrance", at, label, number=number, zone="Reception")
    store.flush()
    return evening.date().isoformat()


def _shoot(
    page: Page, url: str, name: str, size_wh: tuple[int, int], *, dark: bool = False, folder: Path = DOCS
) -> None:
    page.look_like(size_wh, dark=dark)
    page.open(url)
    if name.startswith("live"):
        page.wait("document.querySelectorAll('.screen img:not([hidden])').length === 2")
    time.sleep(0.5)  # for pictures below the fold
    path = page.screenshot(folder / f"{name}.png", whole=False)
    # The second pass keeps small things of colours of their own, such as the signs of labels.
    seen = Image.open(path).convert("RGB")
    seen.quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
