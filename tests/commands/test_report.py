"""``maskinfer report`` as a user calls it."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from maskinfer.cli import main
from maskinfer.control.store.store import Store
from maskinfer.engine.results import UNCERTAIN, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.visits.visit import Passage
from tests.control.report.test_recorded import save
from tests.helpers.visits_made import after, change, picture, visit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Store.open("watch-data", on_error=pytest.fail) as store:
        store.camera_event("door", "connected", after(0), "")
        store.add(change(visit(1, WITH_MASK, zones=("ward",))))
        passed = (Passage("sill", "in", after(5)),)
        store.add(change(visit(2, WITHOUT_MASK, passages=passed), "violation", picture(WITHOUT_MASK)))
        store.add(change(visit(3, UNCERTAIN, camera="gate")))
        store.camera_event("door", "lost", after(60), "no route to host")
    return tmp_path / "watch-data"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_a_day_in_words(folder: Path) -> None:
    done = run("--day", "2026-11-25")
    assert done.exit_code == 0, done.output
    for text in (
        "Wednesday, 25 November 2026, all cameras",
        "3 people",
        "1 with a mask  50 %, between 9 % and 91 %",
        "1 unclear, in no share",
        "1 person passed sill of door, in",
        "1 person against the rules",
        "the camera gave no pictures: no route to host",
        "in no zone",
    ):
        assert text in done.output


def test_today_is_what_is_meant_without_a_period(folder: Path) -> None:
    done = run()
    assert done.output.startswith(f"{local_now():%A, %d %B %Y}")


def test_one_camera_as_json(folder: Path) -> None:
    done = run(folder, "--from", "2026-11-25", "--to", "2026-11-25", "--camera", "gate", "--json")
    assert json.loads(done.output)["people"] == json.loads(done.output)["unknown"] == 1


def test_a_table_and_a_page_that_only_their_owner_reads(folder: Path, tmp_path: Path) -> None:
    for form in ("csv", "html"):
        out = tmp_path / f"day.{form}"
        done = run(folder, "--day", "2026-11-25", f"--{form}", "-o", out)
        assert (done.exit_code, done.output) == (0, "")
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader((tmp_path / "day.csv").read_text().splitlines()))
    assert [(row["camera"], row["label"], row["in"]) for row in rows] == [
        *(("door", WITH_MASK, "0"), ("door", WITHOUT_MASK, "1"), ("gate", UNCERTAIN, "0")),
    ]
    assert (tmp_path / "day.html").read_text().count("data:image/jpeg") == 1


def test_while_the_watch_is_running(folder: Path) -> None:
    with Store.open(folder) as store:
        store.add(change(visit(4)))
        store.flush()
        assert "4 people" in run(folder, "--day", "2026-11-25").output


def test_recorded_results(tmp_path: Path) -> None:
    save(tmp_path / "door.jsonl", "door.mp4")
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    assert "10 s of recordings, times counted from their beginning" in done.output
    assert "0:00:08  door.mp4  without a mask" in done.output
    began = run(tmp_path / "door.jsonl", "--began", "2026-11-25T08:00")
    assert "Wednesday, 25 November 2026, 08:00 to 08:00" in began.output
    assert "08:00:08  door.mp4" in began.output


def test_results_are_not_replaced_by_their_report(tmp_path: Path) -> None:
    file = save(tmp_path / "door.jsonl", "door.mp4")
    before = file.read_bytes()
    assert run(file, "--json", "-o", file).exit_code == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere", "there is neither a store nor a .jsonl file"),
        ("--day 25.11.2026", "is no day, expected today, yesterday or a date"),
        ("--day today --to 2026-11-25", "expected one of them"),
        ("--from 2026-11-26 --to 2026-11-25", "ends before it begins"),
        ("-o out.html", "add --html, --csv, --json or --png"),
        ("watch-data watch-data", "a report is of one store or of results alone"),
        ("--began 2026-11-25", "--began is for recorded results"),
        ("--html -o nowhere/out.html", "there is no folder"),
        ("--csv -o day.png", "is named as a picture"),
        ("--camera dor", "nothing is known of camera 'dor': expected one of door, gate"),
        ("--zone hall", "nothing is known of zone 'hall': expected one of ward"),
        ("--csv -o watch-data/store.sqlite", "watch-data/store.sqlite"),
    ],
)
def test_what_cannot_be(folder: Path, arguments: str, message: str) -> None:
    done = run(*arguments.split())
    assert done.exit_code in (1, 2)
    assert message in done.output
    assert done.output.count("\n") == 1


def test_a_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("--day", "2026-11-25", "--png", "-o", "day.png")
    assert done.exit_code == 0, done.output
    file = folder.parent / "day.png"
    assert file.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_picture_needs_a_file(folder: Path) -> None:
    for arguments in (("--png",), ("--png", "-o", "day.html")):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "--png needs a file to write to" in done.output
