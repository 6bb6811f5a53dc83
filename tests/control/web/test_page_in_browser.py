"""The page as a person uses it, in a real Chromium."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from maskinfer.control.room.state import CameraState
from maskinfer.control.settings.types import ZoneSettings
from maskinfer.control.store.questions import VisitQuery
from tests.control.web.conftest import CAMERA, PASSWORDS, Served, earlier, settings_of
from tests.helpers.chromium import DESKTOP_WH, PATIENCE_S, PHONE_WH, Page, open_chromium
from tests.helpers.recorded_room import come, demo

PAGES = ("", "today", "visits", "report", "cameras", f"cameras/zones?camera={quote(CAMERA)}")
SHOWN = "document.querySelector('.screen img:not([hidden])')"


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with open_chromium() as page:
        yield page


@pytest.fixture
def page(tab: Page, served: Served) -> Iterator[Page]:
    tab.look_like()
    tab.forget_problems()
    yield tab
    problems = tab.problems()
    tab.command("Network.clearBrowserCookies")
    tab.open("about:blank")
    assert problems == []


def people(served: Served) -> None:
    for number, label in enumerate(("with_mask", "without_mask", "incorrect_mask", "uncertain"), 1):
        come(
            served.store,
            demo(),
            CAMERA,
            earlier(60 + number),
            label,
            number=number,
            zone="Hall",
            line="Door",
            seconds=5,
        )
    served.store.flush()


def test_faces_are_seen_live(page: Page, served: Served) -> None:
    page.open(served.url)
    page.wait(f"{SHOWN} && {SHOWN}.naturalWidth === 854")
    first = page.run(f"{SHOWN}.src")
    page.wait(f"{SHOWN}.src !== {first!r}")
    assert "1 person" in page.text()
    assert "Live" in page.text()


def test_a_violation_appears_while_one_looks(page: Page, served: Served) -> None:
    page.open(served.url)
    page.wait("document.querySelector('.recent').innerText.includes('Nobody was seen today')")
    time.sleep(1.5)  # so that the page has asked once, and tells what is new from then on
    come(served.store, demo(), CAMERA, earlier(), "without_mask", number=1, ended=None)
    page.wait("document.querySelector('.recent .person img')?.complete")
    assert "1 person without a mask today" in page.text()
    assert page.run("document.querySelector('#said').textContent") == f"Without a mask: {CAMERA}"
    page.click(".recent .person a")
    page.wait("location.pathname.startsWith('/visits/') && document.readyState === 'complete'")
    assert "A person without a mask" in page.text()
    assert "The person is still there." in page.text()


def test_a_camera_that_is_lost_or_paused_says_so(page: Page, served: Served) -> None:
    page.open(served.url)
    page.wait(SHOWN)
    served.room.states[CAMERA] = CameraState(CAMERA, "lost", reason="it gives no more frames", age_s=130.0)
    page.wait("document.querySelector('.camera').classList.contains('lost')")
    assert "last picture 2 min ago" in page.text()
    assert "it gives no more frames" in page.text()
    del served.room.states[CAMERA]
    page.open(f"{served.url}cameras")
    page.click("[data-pause]")
    page.wait("document.querySelector('[data-pause]').innerText === 'Watch again'")
    assert served.room.cameras()[0].state == "paused"
    page.click("[data-pause]")
    page.wait("document.querySelector('[data-pause]').innerText === 'Pause'")


def test_a_zone_is_drawn_with_the_mouse_and_saved(page: Page, served: Served) -> None:
    page.open(f"{served.url}{PAGES[-1]}")
    page.wait("document.querySelector('#snapshot').naturalWidth > 0")
    page.click("#new-zone")
    left, top, width, height = page.run(
        "(r => [r.x, r.y, r.width, r.height])(document.querySelector('.canvas').getBoundingClientRect())"
    )
    page.drag((left + 0.2 * width, top + 0.3 * height), (left + 0.6 * width, top + 0.9 * height))
    page.wait("document.querySelectorAll('.handle').length === 4")
    page.type(".part input", "Reception")
    page.drag(page.middle(".handle"), (left + 0.1 * width, top + 0.2 * height))
    page.click("#save")
    page.wait("document.querySelector('#outcome').innerText.startsWith('Saved')")
    (zone,) = served.room.settings.cameras[0].zones
    assert zone.name == "Reception"
    wanted = [(0.1, 0.2), (0.6, 0.3), (0.6, 0.9), (0.2, 0.9)]
    assert [tuple(corner) for corner in zone.polygon] == [pytest.approx(corner, abs=0.01) for corner in wanted]
    page.open(f"{served.url}{PAGES[-1]}")
    assert page.run("document.querySelector('.part input').value") == "Reception"
    assert page.run("document.querySelectorAll('.handle').length") == 4


def test_a_polygon_and_a_line_are_drawn_click_by_click(page: Page, served: Served) -> None:
    page.open(f"{served.url}{PAGES[-1]}")
    page.wait("document.querySelector('#snapshot').naturalWidth > 0")
    page.click("#new-zone")
    left, top, width, height = page.run(
        "(r => [r.x, r.y, r.width, r.height])(document.querySelector('.canvas').getBoundingClientRect())"
    )
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.5, 0.8), (0.2, 0.2)):
        page.click_at(left + x * width, top + y * height)
    page.click("#new-line")
    page.drag((left + 0.1 * width, top + 0.5 * height), (left + 0.9 * width, top + 0.5 * height))
    page.click("#save")
    page.wait("document.querySelector('#outcome').innerText.startsWith('Saved')")
    camera = served.room.settings.cameras[0]
    assert [len(zone.polygon) for zone in camera.zones] == [3]
    assert [line.name for line in camera.lines] == ["line 1"]


def test_a_zone_is_drawn_by_keyboard_alone(page: Page, served: Served) -> None:
    page.open(f"{served.url}{PAGES[-1]}")
    page.wait("document.querySelector('#snapshot').naturalWidth > 0")
    page.run("document.querySelector('#new-zone').focus()")
    page.press("Enter", code=13)
    page.wait("document.querySelectorAll('.handle').length === 4")
    assert page.run("document.activeElement.value") == "zone 1"
    page.run("document.querySelector('.handle').focus()")
    for _ in range(5):
        page.press("ArrowLeft", code=37)
    assert "20 % from the left" in page.run("document.activeElement.getAttribute('aria-label')")
    page.run("document.querySelector('.part details').open = true")
    page.type(".corners input[data-axis='1']", "40")
    page.run("document.querySelector('#save').focus()")
    page.press("Enter", code=13)
    page.wait("document.querySelector('#outcome').innerText.startsWith('Saved')")
    assert served.room.settings.cameras[0].zones[0].polygon[0] == (0.2, 0.4)


def test_a_name_that_cannot_be_is_told_and_nothing_is_lost(page: Page, served: Served) -> None:
    page.open(f"{served.url}{PAGES[-1]}")
    page.run("document.querySelector('#new-zone').focus()")
    page.press("Enter", code=13)
    page.type(".part input", "<b>no</b>")
    page.click("#save")
    page.wait("document.querySelector('#outcome.bad')")
    assert "zones[0].name" in page.run("document.querySelector('#outcome').innerText")
    assert page.run("document.querySelector('.part input').value") == "<b>no</b>"
    assert all("422" in problem for problem in page.problems())
    page.forget_problems()
    page.type(".part input", "yes")
    page.click("#save")
    page.wait("document.querySelector('#outcome.good')")
    page.forget_problems()


def test_visits_are_filtered(page: Page, served: Served) -> None:
    people(served)
    page.open(f"{served.url}visits")
    assert page.run("document.querySelectorAll('.person').length") == 4
    page.run("document.querySelector('[name=label]').value = 'without_mask'")
    page.click(".filter button")
    page.wait("location.search.includes('label=without_mask') && document.readyState === 'complete'")
    assert page.run("document.querySelectorAll('.person').length") == 1
    page.open(f"{served.url}visits?label=without_mask&camera=none")
    assert "No visit is like that." in page.text()


def test_the_report_is_taken_along(page: Page, served: Served, tmp_path: Path) -> None:
    people(served)
    page.download_into(tmp_path)
    page.open(f"{served.url}report")
    assert "4 people" not in page.text().splitlines()[0]
    page.click(".take a[href*='format=csv']")
    (table,) = wait_for(tmp_path, "*.csv")
    with table.open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)][::-1] == [
            *("with_mask", "without_mask", "incorrect_mask", "uncertain"),
        ]
    page.click("#png")
    (picture,) = wait_for(tmp_path, "*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    page.click(".take a[href*='format=html']")
    (report,) = wait_for(tmp_path, "*.html")
    page.open(report.as_uri())
    assert "without a mask" in page.text()


def wait_for(folder: Path, pattern: str) -> list[Path]:
    ends_s = time.monotonic() + PATIENCE_S
    while not list(folder.glob(pattern)) or list(folder.glob("*.crdownload")):
        assert time.monotonic() < ends_s, list(folder.iterdir())
        time.sleep(0.05)
    return list(folder.glob(pattern))


def test_logging_in_and_out_and_what_a_viewer_sees(page: Page, served: Served) -> None:
    people(served)
    served.with_accounts()
    page.open(f"{served.url}visits?label=without_mask")
    assert page.run("location.pathname") == "/login"
    page.type("[name=name]", "vic")
    page.type("[name=password]", "wrong password")
    page.press("Enter", code=13)
    page.wait("document.body.innerText.includes('The name or the password is wrong.')")
    assert all("403" in problem for problem in page.problems())
    page.forget_problems()
    page.type("[name=password]", PASSWORDS["vic"])
    page.press("Enter", code=13)
    # A few dots take the place of a face, of a picture that is 320 pixels wide or high whatever it was before.
    shown = "document.querySelector('.person img')"
    page.wait(
        f"location.pathname === '/visits' && {shown} && Math.max({shown}.naturalWidth, {shown}.naturalHeight) === 320"
    )
    page.open(f"{served.url}cameras")
    assert "Draw zones" not in page.text()
    page.click(".who button")
    page.wait("location.pathname === '/login'")
    page.open(f"{served.url}today")
    assert page.run("location.pathname") == "/login"


def test_names_are_shown_as_text_whatever_they_hold(page: Page, served: Served) -> None:
    name = "<img src=x onerror=document.title='taken'>\"'&"
    served.room.settings = settings_of(name)
    zone = ZoneSettings(name, ((0, 0), (1, 0), (1, 1)))
    served.room.save_zones(name, [zone], [])
    served.room.states[name] = CameraState(name, "lost", reason=f"{name} is lost", size_wh=(854, 480))
    come(served.store, demo(), name, earlier(), "without_mask", number=1, zone=name, line=name)
    served.store.camera_event(name, "connected", earlier(300), "")
    served.store.camera_event(name, "lost", earlier(200), name)
    served.store.flush()
    (stored,) = served.store.visits(VisitQuery())
    paths = (*PAGES[:-1], f"cameras/zones?camera={quote(name)}", f"visits/{quote(stored.visit.id, safe='')}")
    for path in paths:
        page.open(f"{served.url}{path}")
        if path:
            time.sleep(0.2)
        else:
            page.wait("document.querySelector('.camera.lost')")
        assert page.run("document.title") != "taken", path
        assert page.run("document.querySelectorAll('img[src=x]').length") == 0, path
        assert name in page.run("document.body.textContent + document.body.innerHTML") or "&lt;img" in page.run(
            "document.body.innerHTML"
        )


@pytest.mark.parametrize("size_wh", [PHONE_WH, DESKTOP_WH, (320, 640), (800, 1200)], ids=str)
def test_nothing_is_wider_than_the_screen(page: Page, served: Served, size_wh: tuple[int, int]) -> None:
    people(served)
    served.room.settings = replace(served.room.settings, cameras=settings_of(CAMERA, "A" * 64).cameras)
    zones = tuple(ZoneSettings("Z" * 60 + str(i), ((0, 0), (1, 0), (1, 1))) for i in range(2))
    served.room.save_zones(CAMERA, zones, [])
    (stored, *_) = served.store.visits(VisitQuery())
    page.look_like(size_wh)
    for path in (*PAGES, f"visits/{quote(stored.visit.id, safe='')}"):
        page.open(f"{served.url}{path}")
        assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0, path
        small = page.run(
            "[...document.querySelectorAll('nav a, button:not([hidden]), .button')].filter(e => e.offsetParent && "
            "e.getBoundingClientRect().height < 36).map(e => e.outerHTML)"
        )
        assert small == [], path


def test_every_field_and_picture_has_a_name_for_screen_readers(page: Page, served: Served) -> None:
    people(served)
    served.room.save_zones(CAMERA, [ZoneSettings("Hall", ((0, 0), (1, 0), (1, 1)))], [])
    for path in PAGES:
        page.open(f"{served.url}{path}")
        nameless = [
            node["role"]["value"]
            for node in page.command("Accessibility.getFullAXTree")["nodes"]
            if not node.get("ignored")
            and node["role"]["value"] in {"button", "link", "image", "textbox", "checkbox", "combobox", "spinbutton"}
            and not node.get("name", {}).get("value")
        ]
        assert nameless == [], path
        assert page.run("document.querySelectorAll('h1').length") == 1, path
        assert page.run("document.documentElement.lang") == "en"


def test_the_page_needs_nothing_from_elsewhere(page: Page, served: Served) -> None:
    people(served)
    for path in PAGES:
        page.open(f"{served.url}{path}")
    urls = {event["request"]["url"] for event in page.events("Network.requestWillBeSent")}
    assert len(urls) > 10
    ours = (served.url, f"blob:{served.url}", "data:")  # data: are the browser's own signs, as in a field for a date
    assert [url for url in urls if not url.startswith(ours)] == []


def test_a_server_that_is_gone_is_told(page: Page, served: Served) -> None:
    page.open(served.url)
    page.wait(SHOWN)
    page.offline()
    page.wait("!document.querySelector('#lost').hidden")
    page.command(
        "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    page.wait("document.querySelector('#lost').hidden")
    page.forget_problems()
