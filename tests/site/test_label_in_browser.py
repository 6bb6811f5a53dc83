"""The page on which faces are labelled, in a real Chromium, by the keyboard alone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the [serve] extra")
pytest.importorskip("uvicorn", reason="needs the [serve] extra")

from maskinfer.engine.results import BGRFrame
from maskinfer.site.label.answers import read_labellers
from maskinfer.site.label.queue import Queue
from maskinfer.site.label.serve import open_label_page
from maskinfer.site.pool import PoolFace, PoolPicture, add_picture
from tests.helpers.chromium import PHONE_WH, Page, open_chromium

BOX = (175.0, 60.0, 280.0, 200.0)
KEYS = {"Escape": 27, "Backspace": 8, "ArrowRight": 39, "ArrowDown": 40}
SHIFT = 8


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with open_chromium() as page:
        yield page


@pytest.fixture
def site(portrait: BGRFrame, tmp_path: Path) -> Path:
    """Six pictures, each of one person; the second shows another, who was not found."""
    for number in range(6):
        shown = np.hstack([portrait, portrait[:, ::-1]]) if number == 1 else portrait
        jpeg = cv2.imencode(".jpg", np.roll(shown, 5 * number, 0))[1].tobytes()
        box = (BOX[0], BOX[1] + 5 * number, BOX[2], BOX[3] + 5 * number)
        picture = PoolPicture(
            f"{number:016x}",
            "<b>door</b>",
            f"2026-11-2{number}T10:15:00.000+00:00",
            f"visit {number}",
            "test" if number == 5 else "pool",
            "random" if number == 5 else "uncertain",
            (shown.shape[1], shown.shape[0]),
            (PoolFace(box, "without_mask", 0.6, 0.9),),
        )
        add_picture(tmp_path, picture, jpeg)
    return tmp_path


@pytest.fixture
def opened(tab: Page, site: Path) -> Iterator[tuple[Page, Queue]]:
    queue = Queue(site, "anna")
    with open_label_page(queue, site, 0) as address:
        tab.look_like()
        tab.forget_problems()
        tab.open(address)
        asked(tab, 0)
        yield tab, queue
        problems = tab.problems()
        tab.command("Network.clearBrowserCookies")
        tab.open("about:blank")
    assert problems == []


def asked(page: Page, number: int) -> None:
    page.wait(f"document.getElementById('face').dataset.shown === '{number:016x} 0'")


def press(page: Page, key: str, modifiers: int = 0) -> None:
    code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
    page.press(key, code=code, modifiers=modifiers)


def labels(site: Path) -> dict[int, str | None]:
    return {int(name, 16): answer.label for (name, _), answer in read_labellers(site)["anna"].answers.items()}


def test_faces_are_labelled_by_the_keyboard_alone(opened: tuple[Page, Queue], site: Path) -> None:
    page, queue = opened
    for number, key in enumerate("12340"):
        asked(page, number)
        press(page, key)
    asked(page, 5)
    assert "5 of 6" in page.text()
    assert "to test on" in page.text()
    press(page, "1")
    page.wait("!document.getElementById('end').hidden")
    assert list(labels(site).values()) == [
        "with_mask",
        "without_mask",
        "incorrect_mask",
        "cannot_tell",
        "no_face",
        "with_mask",
    ]
    assert queue.save() == 6
    assert json.loads((site / "test/scenes.jsonl").read_text())["faces"][0]["label"] == "with_mask"


def test_an_answer_is_taken_back(opened: tuple[Page, Queue], site: Path) -> None:
    page, _ = opened
    press(page, "1")
    asked(page, 1)
    press(page, "u")
    asked(page, 0)
    page.wait("document.getElementById('said').textContent.startsWith('Taken back')")
    assert labels(site) == {}
    press(page, "3")
    asked(page, 1)
    press(page, "2")
    asked(page, 2)
    press(page, "Backspace")
    asked(page, 1)
    assert labels(site) == {0: "incorrect_mask"}


def test_keys_that_come_faster_than_the_answers_are_all_heard(opened: tuple[Page, Queue], site: Path) -> None:
    page, _ = opened
    page.run("for (const key of '121212') document.dispatchEvent(new KeyboardEvent('keydown', {key}))")
    page.wait("!document.getElementById('end').hidden")
    assert list(labels(site).values()) == ["with_mask", "without_mask"] * 3


def test_a_box_is_moved_by_arrows(opened: tuple[Page, Queue], site: Path) -> None:
    page, _ = opened
    press(page, "m")
    page.wait("!document.getElementById('help').hidden")
    for _ in range(4):
        press(page, "ArrowRight")
    press(page, "ArrowDown", SHIFT)
    press(page, "1")
    asked(page, 1)
    (answer,) = read_labellers(site)["anna"].answers.values()
    assert answer.bbox is not None
    left, top, right, bottom = answer.bbox
    assert left - BOX[0] == pytest.approx(right - BOX[2])
    assert left > BOX[0] + 5
    assert top == BOX[1]
    assert bottom > BOX[3] + 2
    # What was not taken is left as it was.
    press(page, "m")
    press(page, "ArrowRight")
    press(page, "Escape")
    press(page, "2")
    asked(page, 2)
    assert [one.bbox for one in read_labellers(site)["anna"].answers.values()][1] is None


def test_a_face_that_was_missed_is_added(opened: tuple[Page, Queue], site: Path) -> None:
    page, queue = opened
    press(page, "1")
    asked(page, 1)
    press(page, "a")
    press(page, "3")
    page.wait("document.getElementById('said').textContent.startsWith('Added')")
    asked(page, 1)
    press(page, "2")
    asked(page, 2)
    added = read_labellers(site)["anna"].answers[f"{1:016x}", 1]
    assert added.label == "incorrect_mask"
    assert added.bbox is not None
    assert added.bbox[0] > BOX[2], "beside the one that is asked for"
    queue.save()
    scenes = [json.loads(line) for line in (site / "scenes.jsonl").read_text().splitlines()]
    assert [len(scene["faces"]) for scene in scenes] == [1, 2]


def test_it_is_seen_well(opened: tuple[Page, Queue], tmp_path_factory: pytest.TempPathFactory) -> None:
    page, _ = opened
    folder = tmp_path_factory.mktemp("label")
    for name, size, dark in (("desktop", (1280, 800), False), ("dark", (1280, 800), True), ("phone", PHONE_WH, False)):
        page.look_like(size, dark=dark)
        page.screenshot(folder / f"{name}.png")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), name
    page.look_like()
    # The name of a camera is text, whatever it holds; what is drawn is the picture.
    assert "<b>door</b>, 2026-11-20 10:15" in page.text()
    drawn = page.run("[...document.getElementById('face').getContext('2d').getImageData(320, 320, 1, 1).data]")
    assert drawn[:3] != [0, 0, 0]
    assert page.run("document.querySelectorAll('button:not([data-label]):not([id])').length") == 0


def test_nobody_else_sees_or_changes_anything(opened: tuple[Page, Queue], site: Path) -> None:
    page, _ = opened
    origin = str(page.run("location.origin"))
    body = json.dumps({"picture": f"{0:016x}", "number": 0, "label": "with_mask"}).encode()
    for path in ("/", "/now", f"/pictures/{0:016x}.jpg", "/?key=x", "/?key=%C3%A9"):
        assert status(origin + path) == 403, path
    assert status(f"{origin}/answer", body) == 403
    # The page's own requests need the token that stands in the page, and an answer.
    send = "fetch('/answer', {method: 'POST', body: '{}', headers: {'X-CSRF-Token': %s}}).then(a => a.status)"
    assert page.run(send % "''") == 403
    assert page.run(send % "document.querySelector('meta[name=csrf]').content") == 400
    assert page.run("fetch('/pictures/..%2f..%2fpool.jsonl.jpg').then(a => a.status)") == 404
    request = urllib.request.Request(origin + "/", headers={"Host": "evil.example"})
    assert status(request) == 421
    assert read_labellers(site) == {}
    page.forget_problems()


def status(address: str | urllib.request.Request, data: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(address, data, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
