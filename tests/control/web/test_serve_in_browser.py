"""The command serve before a real RTSP camera, used by a person with a real Chromium."""

from __future__ import annotations

import csv
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import httpx
import pytest

from maskinfer.control.settings.passwords import hash_password
from tests.helpers.chromium import PHONE_WH, Page, open_chromium
from tests.helpers.rtsp import RtspServer, needs_rtsp
from tests.helpers.serving import LOOK, Served, serving
from tests.helpers.waiting import wait_until

pytestmark = needs_rtsp
NAME, PASSWORD = "ana", "the admin's own"
# Somebody comes every seven seconds; a machine with much to do sees only some of them.
PATIENCE_S = 90
SHOWN = "document.querySelector('.screen img:not([hidden])')"
# Notes for each visit when it is seen on the page first, by the clock on the wall.
WATCH_RECENT = """(() => {
  window.seen = {};
  const note = () => document.querySelectorAll('.recent .person a').forEach(a => {
    seen[a.pathname] ??= Date.now() / 1000;
  });
  note();
  new MutationObserver(note).observe(document.querySelector('.recent'), {childList: true, subtree: true});
})()"""


@dataclass
class Watch:
    """A watch of one door."""

    served: Served
    url: str


@pytest.fixture(scope="module")
def watch(door_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    folder = tmp_path_factory.mktemp("watch")
    server = RtspServer(door_clip)
    folder.joinpath("watch.toml").write_text(
        f'[[cameras]]\nname = "door"\nurl = "{server.url}"\n[page]\nlisten = "127.0.0.1:0"\n'
        f'[[accounts]]\nname = "{NAME}"\nrole = "admin"\npassword_hash = "{hash_password(PASSWORD)}"\n{LOOK}'
    )
    try:
        with serving(folder, "watch.toml") as served:
            yield Watch(served, served.wait_for(r"http://127\.0\.0\.1:\d+/"))
            assert served.end() == 0
            assert not served.found("Traceback|hunter2")
    finally:
        server.kill()


@pytest.fixture(scope="module")
def page(watch: Watch) -> Iterator[Page]:
    with open_chromium() as tab:
        yield tab
        assert tab.problems() == []


def log_in(page: Page, watch: Watch) -> None:
    page.look_like()
    page.open("about:blank")  # a page that goes on asking for pictures would be refused them
    page.command("Network.clearBrowserCookies")
    page.open(watch.url)
    page.wait("location.pathname === '/login'")
    page.type("[name=name]", NAME)
    page.type("[name=password]", PASSWORD)
    page.press("Enter", code=13)
    page.wait("location.pathname === '/' && document.readyState === 'complete'")


def visits(watch: Watch, **asked: str) -> list[dict[str, object]]:
    answer = httpx.get(f"{watch.url}v1/visits", params=asked, auth=(NAME, PASSWORD), trust_env=False, timeout=30)
    found: list[dict[str, object]] = answer.raise_for_status().json()["visits"]
    return found


def hear_violations(watch: Watch, stored_s: dict[str, float], over: threading.Event) -> None:
    """Note when each visit's first violation was stored: events are told when they were committed."""
    with httpx.stream(
        "GET",
        f"{watch.url}v1/events",
        auth=(NAME, PASSWORD),
        headers={"Accept": "text/event-stream"},
        trust_env=False,
        timeout=PATIENCE_S,
    ) as answer:
        for line in answer.iter_lines():
            if over.is_set():
                return
            if line.startswith("data: ") and (event := json.loads(line[6:]))["event"] == "violation":
                stored_s.setdefault(event["visit"]["id"], time.time())


def test_faces_are_live_and_a_violation_is_on_the_page_soon_after_it_is_stored(
    page: Page, watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in(page, watch)
    page.wait(f"{SHOWN} && {SHOWN}.naturalWidth === 320", PATIENCE_S)
    first = page.run(f"{SHOWN}.src")
    page.wait(f"{SHOWN}.src !== {first!r}", PATIENCE_S)
    page.wait("document.querySelector('.camera .now').innerText === '1 person without a mask'", PATIENCE_S)
    stored_s: dict[str, float] = {}
    over = threading.Event()
    listener = threading.Thread(target=hear_violations, args=(watch, stored_s, over), daemon=True)
    listener.start()
    page.run(WATCH_RECENT)

    def late_s() -> list[float]:
        seen_s = {unquote(path.rpartition("/")[2]): at_s for path, at_s in page.run("seen").items()}
        return [seen_s[visit] - at_s for visit, at_s in list(stored_s.items()) if visit in seen_s]

    wait_until(lambda: len(late_s()) >= 2, timeout_s=PATIENCE_S)
    over.set()
    with capsys.disabled():
        said = f"{median(late_s()):.2f} s in the median, {max(late_s()):.2f} s at most, of {len(late_s())}"
        sys.stderr.write(f"\nfrom a violation's commit to the page: {said}\n")
    listener.join(PATIENCE_S)


def test_a_zone_that_is_drawn_counts_the_visits_that_follow(page: Page, watch: Watch, tmp_path: Path) -> None:
    log_in(page, watch)
    page.open(f"{watch.url}cameras/zones?camera=door")
    page.wait("document.querySelector('#snapshot').naturalWidth === 320", PATIENCE_S)
    # A picture that is not there yet comes when it is.
    page.run("document.querySelector('#snapshot').dispatchEvent(new Event('error'))")
    assert "The camera has given no picture yet." in page.text()
    page.wait("document.querySelector('#hint').innerText.startsWith('Drag a corner')")
    wait_until(lambda: visits(watch), timeout_s=PATIENCE_S)
    assert {tuple(visit["zones"]) for visit in visits(watch)} == {()}  # type: ignore[arg-type]
    left, top, width, height = page.run(
        "(r => [r.x, r.y, r.width, r.height])(document.querySelector('.canvas').getBoundingClientRect())"
    )
    # Faces have their lower edge in the lower half of the picture, whoever draws it.
    for name, upper, lower in (("Reception", 0.4, 0.98), ("Ceiling", 0.02, 0.2)):
        page.click("#new-zone")
        start, end = (left + 0.02 * width, top + upper * height), (left + 0.98 * width, top + lower * height)
        page.drag(start, end)
        page.wait(f"document.querySelectorAll('.part').length === {1 if name == 'Reception' else 2}")
        page.type(".part:last-child input", name)
    page.click("#save")
    page.wait("document.querySelector('#outcome').innerText.startsWith('Saved')", PATIENCE_S)
    wait_until(lambda: visits(watch, zone="Reception"), timeout_s=PATIENCE_S)
    wait_until(lambda: any(visit["violations"] for visit in visits(watch, zone="Reception")), timeout_s=PATIENCE_S)
    assert visits(watch, zone="Ceiling") == []

    page.open(f"{watch.url}visits")
    page.run("document.querySelector('[name=zone]').value = 'Reception'")
    page.click(".filter button")
    page.wait("location.search.includes('zone=Reception') && document.readyState === 'complete'")
    assert page.run("document.querySelectorAll('.person').length") >= 1
    page.run("document.querySelector('[name=zone]').value = 'Ceiling'")
    page.click(".filter button")
    page.wait("location.search.includes('zone=Ceiling') && document.readyState === 'complete'")
    assert "No visit is like that." in page.text()

    page.download_into(tmp_path)
    page.open(f"{watch.url}report")
    page.click(".take a[href*='format=csv']")
    wait_until(lambda: list(tmp_path.glob("*.csv")) and not list(tmp_path.glob("*.crdownload")))
    (table,) = tmp_path.glob("*.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["zones"] for row in rows} == {"", "Reception"}
    assert "without_mask" in {row["label"] for row in rows}


def test_a_guard_looks_by_phone_and_logs_out(page: Page, watch: Watch) -> None:
    log_in(page, watch)
    page.look_like(PHONE_WH)
    page.open(watch.url)
    page.wait(f"{SHOWN} && {SHOWN}.naturalWidth === 320", PATIENCE_S)
    for path in ("", "today", "visits", "report", "cameras"):
        page.open(f"{watch.url}{path}")
        assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0, path
    page.click(".who button")
    page.wait("location.pathname === '/login'", PATIENCE_S)
    page.open(f"{watch.url}today")
    assert page.run("location.pathname") == "/login"
