"""What a store does when it is killed, broken, too new, held by another, or out of room."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maskinfer.control.store.database import NAME
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.retention import Kept, Retention
from maskinfer.control.store.schema import STEPS, VERSION
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import OutputError, RequestError, SourceError
from maskinfer.engine.results import WITHOUT_MASK
from tests.conftest import ROOT
from tests.helpers.visits_made import after, change, picture, visit

ALL = VisitQuery(newest_first=False, limit=10_000)
# Adds visits, most of them still open, and says each once it was queued, with the time.
WRITE_ON = """
import sys, time
from pathlib import Path
from maskinfer.control.store.store import Store
from tests.helpers.visits_made import after, change, picture, visit

store = Store.open(Path(sys.argv[1]))
store.camera_event("door", "connected", after(0), "")
for number in range(int(sys.argv[2]), 10**9):
    store.add(change(visit(number, first_s=number, ended=None), "began", picture(at_s=number)))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.02)
"""


def test_kill_9_costs_no_more_than_the_last_second(tmp_path: Path) -> None:
    number = 0
    for patience_s in (0.05, 0.7, 1.6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_ON, str(tmp_path), str(number)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(patience_s)
        os.kill(process.pid, signal.SIGKILL)
        killed_s = time.monotonic()
        lines += [line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
        said = [(int(line.split()[0]), float(line.split()[1])) for line in lines]
        with Store.open(tmp_path, on_error=pytest.fail) as store:
            kept = store.visits(ALL)
        there = {int(stored.visit.id.rpartition("-")[2]) for stored in kept}
        assert {n for n, queued_s in said if queued_s < killed_s - 1} <= there
        assert {stored.visit.ended for stored in kept} <= {"stopped"}
        number = said[-1][0] + 1
    assert there
    rows = {picture.id for stored in kept for picture in stored.pictures}
    assert {file.stem for file in (tmp_path / "pictures").rglob("*.*")} == rows


def test_a_crash_is_a_time_that_was_not_watched(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_ON, str(tmp_path), "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1)
    process.kill()
    process.communicate()
    with Store.open(tmp_path) as store:
        now = datetime.now(UTC)
        *_, last = store.watched(VisitQuery(to_at=now))
        assert (last.state, last.reason) == ("stopped", "it ended without notice")


def test_closing_stops_what_is_open(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.camera_event("door", "connected", after(0), "")
        store.add(change(visit(ended=None), "began"))
    with Store.open(tmp_path, readonly=True) as store:
        assert [stored.visit.ended for stored in store.visits(ALL)] == ["stopped"]
        assert [span.state for span in store.watched(VisitQuery())] == ["watched", "stopped"]


def test_one_process_alone_writes(tmp_path: Path) -> None:
    with Store.open(tmp_path), pytest.raises(RequestError, match="another maskinfer writes to the store"):
        Store.open(tmp_path)
    Store.open(tmp_path).close()


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    for readonly in (False, True):
        with pytest.raises(RequestError, match=f"has version {VERSION + 1} and this maskinfer knows versions up to"):
            Store.open(tmp_path, readonly=readonly)
    assert not list(tmp_path.glob("broken-*"))


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        database.execute("CREATE TABLE songs (name TEXT)")
    for readonly in (False, True):
        with pytest.raises(RequestError, match="is a database of another program"):
            Store.open(tmp_path, readonly=readonly)


def test_a_store_that_a_crash_left_without_tables_is_begun(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    with Store.open(tmp_path, on_error=pytest.fail) as store:
        assert store.visits(ALL) == []
    assert len(STEPS) == VERSION


@pytest.mark.parametrize("first_byte", [0, 5000])
def test_a_broken_store_is_moved_aside_and_begun_anew(tmp_path: Path, first_byte: int) -> None:
    with Store.open(tmp_path) as store:
        for number in range(50):
            store.add(change(visit(number), "picture", picture(at_s=number)))
    data = bytearray((tmp_path / NAME).read_bytes())
    data[first_byte : first_byte + 20_000] = b"\xaa" * 20_000
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(SourceError, match="cannot be read"), Store.open(tmp_path, readonly=True) as store:
        store.visits(ALL)
    said: list[str] = []
    with Store.open(tmp_path, on_error=said.append) as store:
        assert store.visits(ALL) == []
        store.add(change(visit()))
        store.flush()
        assert len(store.visits(ALL)) == 1
    (aside,) = tmp_path.glob("broken-*")
    assert (aside / NAME).read_bytes() == data
    assert len(list(aside.rglob("*.jpg"))) == 50
    assert len(said) == 1
    assert "is broken" in said[0]
    assert str(aside) in said[0]


def test_a_store_that_breaks_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    said: list[str] = []
    with Store.open(tmp_path, on_error=said.append) as store:
        store.camera_event("door", "connected", after(0), "")
        store.add(change(visit(1)))
        store.flush()
        for name in (NAME, f"{NAME}-wal"):
            with (tmp_path / name).open("r+b") as file:
                file.write(b"\xaa" * (tmp_path / name).stat().st_size)
        with pytest.raises(SourceError, match="cannot be read"):
            store.visits(ALL)
        store.add(change(visit(2)))
        store.flush()
        assert [stored.visit.id for stored in store.visits(ALL)] == [visit(2).id]
        assert [span.state for span in store.watched(VisitQuery())] == ["watched"]
    assert len(list(tmp_path.glob("broken-*"))) == 1
    assert ["is broken" in line for line in said] == [True]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        Store.open(tmp_path / "file" / "store")


@pytest.mark.parametrize("small_disk", [320], indirect=True)
def test_a_full_disk_loses_no_visit(small_disk: Path) -> None:
    """Recordings stop first, then pictures; visits wait in memory, are told all the same, and are written later."""
    said: list[str] = []
    retention = Retention(min_free_bytes=20_000)
    # The tables of an empty store take 150 kB of the disk's 320.
    with Store.open(small_disk, retention=retention, on_error=said.append) as store:
        told: list[str] = []
        store.listen(lambda stored, made: told.append(made.visit.id))
        assert store.why_no_recording() == ""
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file, pytest.raises(OSError, match="No space left"):
            file.write(b"\0" * 10**6)
        assert "recordings stop below" in store.why_no_recording()
        for number in range(100):
            store.add(change(visit(number, WITHOUT_MASK), "violation", picture(WITHOUT_MASK)))
        with pytest.raises(OutputError, match="cannot be written: database or disk is full"):
            store.flush()
        assert len(told) == 100
        ballast.unlink()
        store.flush()
        assert len(store.visits(ALL)) == 100
        assert not any(stored.pictures for stored in store.visits(ALL))
    assert any("changes wait in memory" in line for line in said)
    assert any("no more pictures are saved" in line for line in said)
    assert any("is written again; no change was lost" in line for line in said)


def test_what_could_not_be_written_to_the_end_is_said(small_disk: Path) -> None:
    said: list[str] = []
    with Store.open(small_disk, retention=Retention(min_free_bytes=0), on_error=said.append) as store:
        with (small_disk / "ballast").open("wb") as file, pytest.raises(OSError, match="No space left"):
            file.write(b"\0" * 10**6)
        for number in range(100):
            store.add(change(visit(number)))
    assert any("; 100 changes are lost" in line for line in said)


def test_recordings_of_a_crash_are_taken_over(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        (store.recording_folder("door") / "door-1.mp4").write_bytes(b"film")
    with Store.open(tmp_path) as store:
        assert store.usage().recordings == 1
        assert store.usage().recordings_bytes == 4


@pytest.mark.parametrize("fields", [{"days": -1}, {"max_bytes": -1}, {"days": 30, "violation_days": 7}])
def test_retention_that_cannot_be(fields: dict[str, int]) -> None:
    with pytest.raises(RequestError):
        Kept(**{"days": None, "violation_days": None, "max_bytes": None, **fields})
