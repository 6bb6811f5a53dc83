"""The command serve, as a process: signals, faults of its files, its death."""

from __future__ import annotations

import json
import signal
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from maskinfer.cli import main
from maskinfer.control.settings.passwords import check_password
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import SourceError, TruncatedSourceError
from maskinfer.engine.sources.video import open_video
from tests.helpers.heaps import heaps_of
from tests.helpers.rtsp import RtspServer, needs_rtsp
from tests.helpers.serving import LOOK, Served, serving
from tests.helpers.waiting import wait_until

pytest.importorskip("starlette")


@pytest.fixture
def file(tmp_path: Path, door_clip: Path) -> Path:
    path = tmp_path / "watch.toml"
    path.write_text(f'[[cameras]]\nname = "door"\nurl = "{door_clip}"\n\n[page]\nlisten = "127.0.0.1:0"\n{LOOK}')
    return path


def visits_in(folder: Path) -> list[str]:
    try:
        with Store.open(folder, readonly=True) as store:
            return [one.visit.id for one in store.visits(VisitQuery())]
    except SourceError:  # it is being made
        return []


def test_a_watch_with_its_page_that_is_told_other_settings_and_ends(file: Path, door_clip: Path) -> None:
    with serving(file.parent, "watch.toml", "--store", "kept") as served:
        page = served.wait_for(r"http://127\.0\.0\.1:\d+/")
        wait_until(lambda: visits_in(file.parent / "kept"))
        with urllib.request.urlopen(f"{page}v1/cameras") as answer:
            cameras = json.load(answer)
        assert "door" in json.dumps(cameras)
        assert str(door_clip) not in json.dumps(cameras)
        assert (heaps_of(served.process.pid) or 0) <= 1  # for all of its threads
        good = file.read_text()
        file.write_text(good.replace('name = "door"', 'nam = "door"'))
        served.process.send_signal(signal.SIGHUP)
        served.wait_for(r"the settings stay as they were: watch.toml, line 2: unknown field 'nam'")
        file.write_text(f'{good}[[cameras]]\nname = "yard"\nurl = "{door_clip}"\n')
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("the settings of watch.toml are in force")
        with urllib.request.urlopen(f"{page}v1/cameras") as answer:
            assert "yard" in json.dumps(json.load(answer))
        assert not served.found("takes effect at the next start")
        file.write_text(file.read_text().replace("127.0.0.1:0", "127.0.0.1:1"))
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("what has changed in page.listen takes effect at the next start")
        assert served.end() == 0
        assert not served.found("Traceback")
    with Store.open(file.parent / "kept", readonly=True) as store:
        assert {one.visit.ended for one in store.visits(VisitQuery())} <= {"left", "stopped"}


def test_a_watch_that_is_killed_begins_again_where_it_was(file: Path) -> None:
    with serving(file.parent, "watch.toml", "--no-page") as served:
        wait_until(lambda: visits_in(file.parent / "watch-data"))
        assert not served.found("the page is at")
        before = visits_in(file.parent / "watch-data")
        served.end(signal.SIGKILL)
    with serving(file.parent, "watch.toml", "--no-page") as served:
        wait_until(lambda: set(visits_in(file.parent / "watch-data")) > set(before))
        assert served.end() == 0
    ids = visits_in(file.parent / "watch-data")
    assert len(ids) == len(set(ids))


@needs_rtsp
def test_what_was_recorded_before_a_kill_can_be_watched(tmp_path: Path, door_clip: Path) -> None:
    server = RtspServer(door_clip)
    file = tmp_path / "watch.toml"
    file.write_text(f'[[cameras]]\nname = "door"\nurl = "{server.url}"\nrecord = true\n{LOOK}')
    folder = tmp_path / "watch-data" / "recordings"

    def sizes() -> list[int]:
        return [path.stat().st_size for path in folder.glob("door/*.mp4")]

    try:
        with serving(tmp_path, "watch.toml", "--no-page") as served:
            wait_until(lambda: sum(sizes()) > 20_000)
            served.end(signal.SIGKILL)
    finally:
        server.kill()
    (recording,) = folder.glob("door/*.mp4")
    frames = 0
    with open_video(recording) as video, suppress(TruncatedSourceError):
        for _ in video:
            frames += 1
    assert frames >= 10
    assert not served.found("hunter2")


def test_a_second_watch_on_the_same_store_is_refused(file: Path) -> None:
    with serving(file.parent, "watch.toml", "--no-page") as served:
        served.wait_for("watching 1 camera")
        second = Served(file.parent, "watch.toml", "--no-page")
        assert second.process.wait(60) == 2
        second.join()
        assert len(second.lines) == 1
        assert second.lines[0].startswith("Error: ")
        assert served.end(signal.SIGINT) == 0


def test_a_port_that_is_taken_is_told_in_one_line(file: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = Served(file.parent, "watch.toml", "--listen", f"127.0.0.1:{port}")
        assert served.process.wait(60) == 2
    served.join()
    assert [line for line in served.lines if line.startswith("Error: ")] == served.lines[-1:]
    assert "another program listens there" in served.lines[-1]


def invoke(*arguments: str, **options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["serve", *arguments], catch_exceptions=False, **options)  # type: ignore[arg-type]
    return result.exit_code, result.output


def test_the_first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("--init") == (
        0, "wrote watch.toml: fill in the address of your camera, then run  maskinfer serve watch.toml\n",
    )  # fmt: skip
    assert invoke("watch.toml", "--check") == (0, "watch.toml: 1 camera, no mistakes\n")
    code, said = invoke("--init")
    assert code == 2
    assert "is there already" in said
    code, said = invoke("--hash-password", input="correct horse\ncorrect horse\n")
    assert code == 0
    assert check_password("correct horse", said.splitlines()[-1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name either a settings file or --source"),
        (["watch.toml", "--source", "0"], "name either a settings file or --source"),
        (["no.toml"], "no.toml cannot be read"),
        (["--source", "0", "--source", "0"], "the source 0 is given twice"),
        (["--source", "0", "--listen", "8600"], "listen is '8600', expected an address and a port"),
        (["--source", "0", "--listen", "0.0.0.0:8600"], "which other machines reach"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = invoke(*arguments)
    assert code == 2
    assert said in output
    assert not list(tmp_path.iterdir())
